// Faults as switches with plain names, and the carriers' own settings.

import { ask, attempt, h } from "./dom.js";

const GROUPS = [
  ["When the product sends", [
    ["refuse", "Refuse the text", "The carrier says no, for good."],
    ["throttle", "Too many requests", "The carrier asks to slow down (429)."],
    ["error", "Server error", "The carrier fails (500) and takes nothing."],
    ["timeout_before_accept", "No answer, not sent", "The request hangs; the text is not taken."],
    ["timeout_after_accept", "No answer, but sent", "The text is sent and the answer never comes."],
    ["reset_after_accept", "Connection reset, but sent", "The text is sent and the connection breaks."],
    ["cut_body", "Half an answer", "The text is sent and the answer ends in its middle."],
    ["garbage_body", "Unreadable answer", "The text is sent and the answer makes no sense."],
    ["slow", "Slow answer", "Everything works, two seconds later."],
  ]],
  ["Receipts", [
    ["early_receipt", "Receipt before the answer", "The receipt overtakes the answer to the send."],
    ["late_receipt", "Late receipt", "The receipt takes its time."],
    ["double_receipt", "Receipt twice", "The same receipt comes two times."],
    ["reorder_receipts", "Receipts out of order", "Delivered comes before sent."],
    ["no_receipt", "No receipt", "Nothing is ever reported."],
    ["failed_receipt", "Not delivered", "The receipt says that the handset could not be reached."],
    ["contradicting_receipt", "Contradicting receipts", "Delivered first, undelivered afterwards."],
  ]],
  ["Texts from phones", [
    ["double_webhook", "Told twice", "The product hears of the same text two times."],
    ["lose_webhook", "Not told", "The text is in the carrier's log and the product never hears of it."],
  ]],
];

export class FaultsPane {
  constructor(changed) {
    this.place = h("div");
    this.changed = changed;
    this.carrier = "*";
    this.span = "";
    this.items = [];
  }

  async load() {
    const [faults, modes] = await Promise.all([ask("GET", "/faults"), ask("GET", "/modes")]);
    this.items = faults.items;
    this.modes = modes;
    this.changed(this.items.length);
    if (this.place.isConnected) this.draw();
  }

  draw() {
    const choice = (words, value, options, set) => h("label", {}, words,
      h("select", { onchange: (event) => { set(event.target.value); this.draw(); } }, options.map(([id, name]) => h("option", { value: id, selected: id === value }, name))));
    this.place.replaceChildren(
      h("p", { class: "intro" }, "Switch on what should go wrong. It really happens on the wire, so you can watch the product cope."),
      h("div", { class: "choices" },
        choice("At", this.carrier, [["*", "Both carriers"], ["restcomm", "Restcomm"], ["inteliquent", "Inteliquent"]], (v) => { this.carrier = v; }),
        choice("For", this.span, [["", "Until switched off"], ["1", "The next one"], ["3", "The next three"], ["10", "The next ten"], ["30s", "30 seconds"]], (v) => { this.span = v; }),
        h("button", { type: "button", disabled: !this.items.length, title: this.items.length ? "" : "No fault is on", onclick: () => attempt(() => ask("DELETE", "/faults")) }, "Switch all off")),
      h("div", { class: "pairs" }, GROUPS.map(([title, kinds]) => h("section", { class: "card" }, h("h2", {}, title), kinds.map((kind) => this.one(kind)))),
        this.settings(), this.magic()));
  }

  one([kind, name, words]) {
    const on = this.on(kind);
    const left = on.find((f) => f.left !== null)?.left;
    const where = on.length === 1 && this.carrier === "*" ? { restcomm: " At Restcomm only.", inteliquent: " At Inteliquent only." }[on[0].carrier] ?? "" : "";
    return h("label", { class: "switch" }, h("span", { class: "name" }, name),
      h("input", { type: "checkbox", role: "switch", checked: on.length > 0, onchange: (event) => this.flip(kind, event.target.checked) }),
      h("small", {}, words, where, left ? ` ${left} to go.` : ""));
  }

  /** The faults of a kind that are in force where one is looking. */
  on(kind) {
    return this.items.filter((f) => f.kind === kind && (this.carrier === "*" || f.carrier === "*" || f.carrier === this.carrier));
  }

  async flip(kind, on) {
    await attempt(async () => {
      if (!on) {
        await Promise.all(this.on(kind).map((f) => ask("DELETE", `/faults/${f.id}`)));
        return;
      }
      const span = this.span === "30s" ? { seconds: 30 } : this.span ? { count: Number(this.span) } : {};
      await ask("POST", "/faults", { carrier: this.carrier, kind, ...span });
    });
    await this.load();
  }

  settings() {
    const restcomm = Object.values(this.modes.restcomm), inteliquent = Object.values(this.modes.inteliquent);
    const mode = (name, words, checked, body) => h("label", { class: "switch mode" }, h("span", { class: "name" }, name),
      h("input", { type: "checkbox", role: "switch", checked, onchange: (event) => attempt(() => ask("PUT", "/modes", body(event.target.checked))) }), h("small", {}, words));
    return h("section", { class: "card" }, h("h2", {}, "Carrier settings"),
      mode("Restcomm takes long texts", "Off: anything over 160 bytes is cut to 159 characters.", restcomm.every((m) => m.long_text === "accept"), (on) => ({ carrier: "restcomm", long_text: on ? "accept" : "strict" })),
      mode("Restcomm sends pictures", "The newer Messages API is switched on.", restcomm.some((m) => m.mms), (on) => ({ carrier: "restcomm", mms: on })),
      mode("Inteliquent sends receipts", "The account setting msgDeliveryReceipt.", inteliquent.every((m) => m.msg_delivery_receipt === "Y"), (on) => ({ carrier: "inteliquent", msg_delivery_receipt: on ? "Y" : "N" })),
      mode("Special numbers misbehave", "Recipients 555-0101 to 555-0108, as listed beside.", this.modes.world.magic_numbers, (on) => ({ magic_numbers: on })));
  }

  magic() {
    const rows = [["0101", "not delivered"], ["0102", "blocked"], ["0103", "never a receipt"], ["0104", "late receipt"], ["0105", "receipt twice"], ["0106", "receipts out of order"], ["0107", "sent, but no answer"], ["0108", "opted out"]];
    return h("section", { class: "card" }, h("h2", {}, "Recipients that misbehave"),
      h("table", {}, h("tbody", {}, rows.map(([digits, words]) => h("tr", {}, h("td", {}, `…555-${digits}`), h("td", {}, words))))));
  }
}
