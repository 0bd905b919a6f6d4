// The ledger: every request the carriers received, newest first.

import { ask, attempt, empty, facts, h, opening, second, sections, sheet, table, withOffset } from "./dom.js";

const ROWS = 100;
const pretty = (value) => (value === null ? "Nothing" : typeof value === "string" ? value : JSON.stringify(value, null, 2));
const brief = (path) => path.replace(/^\/(restcomm|inteliquent)\//, "").replace(/(AC|PN|SM|AP)[0-9a-f]{32}/g, (sid) => `${sid.slice(0, 4)}…${sid.slice(-4)}`);

function verdict(answer) {
  if (!answer) return ["wait", "Under way"];
  if (answer.fault) return ["bad", { held: "No answer", reset: "Reset", cut: `${answer.status}, cut` }[answer.fault]];
  return [answer.status < 300 ? "good" : "bad", String(answer.status)];
}

export class LedgerPane {
  constructor() {
    this.place = h("div");
    this.carrier = "";
  }

  refresh() {
    if (!this.place.isConnected) return;
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => attempt(() => this.load()), 150);
  }

  async load() {
    const query = new URLSearchParams({ order: "newest", limit: String(ROWS) });
    if (this.carrier) query.set("carrier", this.carrier);
    this.items = (await ask("GET", `/ledger?${query}`)).items;
    this.draw();
  }

  draw() {
    const names = [["", "Both"], ["restcomm", "Restcomm"], ["inteliquent", "Inteliquent"]];
    const rows = this.items.map((item) => {
      const [state, words] = verdict(item.answer);
      return opening([
        h("td", { title: withOffset(item.at) }, second(item.at)), h("td", {}, item.carrier === "restcomm" ? "Restcomm" : "Inteliquent"), h("td", {}, item.method),
        h("td", { class: "url", title: item.path }, brief(item.path)), h("td", {}, h("span", { class: `state ${state}` }, words)),
      ], () => this.open(item), String(item.id));
    });
    const focused = this.place.contains(document.activeElement) ? document.activeElement.dataset.id : undefined;
    this.place.replaceChildren(
      h("p", { class: "intro" }, "Every request that a carrier's own API received, in order. It is the judge of whether a text was handed over once."),
      sections(names, this.carrier, (id) => { this.carrier = id; attempt(() => this.load()); }),
      rows.length ? table(["Time", "Carrier", "Method", "Path", "Answer"], rows) : empty("Nothing received yet", "Requests appear here as the product makes them."));
    if (focused) this.place.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
  }

  open(item) {
    sheet(`${item.method} ${item.answer?.status ?? ""}`.trim(),
      facts([["Number", String(item.id)], ["Date", withOffset(item.at)], ["Path", h("span", { class: "mono" }, item.path)]]),
      h("h3", {}, "Request"), h("pre", { tabindex: "0" }, pretty(item.body)),
      h("h3", {}, "Answer"), h("pre", { tabindex: "0" }, item.answer ? (item.answer.fault && item.answer.body === null ? "The answer never left." : pretty(item.answer.body)) : "Under way"));
  }
}
