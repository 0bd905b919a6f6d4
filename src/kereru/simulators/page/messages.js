// The carriers' message logs: filters, columns, arrows, detail (R94 to R98).

import { ask, attempt, empty, facts, h, moment, number, opening, sheet, table, toast, withOffset } from "./dom.js";

const STATES = {
  restcomm: ["sending", "sent", "delivered", "undelivered", "failed", "received"],
  inteliquent: ["sent", "delivered", "undelivered", "failed", "received"],
};

export class MessageLog {
  constructor(carrier, accounts) {
    this.carrier = carrier;
    this.accounts = accounts;
    this.items = [];
    this.next = null;
    this.place = h("div");
    this.rows = h("div", { class: "log" });
    this.form = this.filters();
    const wide = matchMedia("(min-width: 641px)");
    const find = h("details", { class: "find", open: wide.matches }, h("summary", {}, "Filters"), this.form);
    wide.addEventListener("change", () => { find.open = wide.matches; });
    this.place.append(find, this.rows);
  }

  filters() {
    const field = (name, words, rest = {}) => h("label", {}, words, h("input", { name, autocomplete: "off", ...rest }));
    const scope = this.carrier === "restcomm"
      ? h("label", {}, "Account", h("input", { name: "account", list: "accounts", placeholder: "All, an id or an e-mail", autocomplete: "off" }),
        h("datalist", { id: "accounts" }, this.accounts.flatMap((a) => [h("option", { value: a.account }, a.name), a.email ? h("option", { value: a.email }, a.name) : null])))
      : null;
    return h("form", { class: "filters", role: "search", onsubmit: (event) => event.preventDefault(), oninput: () => this.soon(), onreset: () => setTimeout(() => this.load(), 0) },
      scope, field("from", "From"), field("to", "To"),
      field("start", "Start", { type: "datetime-local" }), field("end", "End", { type: "datetime-local" }),
      field("body", "Message body"),
      h("label", {}, "Status", h("select", { name: "status" }, h("option", { value: "" }, "Any"), STATES[this.carrier].map((s) => h("option", { value: s }, s)))),
      h("button", { type: "reset", class: "quiet" }, "Clear filters"));
  }

  soon() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => attempt(() => this.load()), 180);
  }

  query(before) {
    const query = new URLSearchParams({ limit: "50" });
    for (const [name, value] of new FormData(this.form)) {
      if (!value) continue;
      const time = name === "start" || name === "end";
      query.set(name, time ? new Date(value).toISOString() : name === "from" || name === "to" ? value.replace(/[\s()-]/g, "") : value);
    }
    if (before) query.set("before", String(before));
    return query;
  }

  async load(before = null) {
    const page = await ask("GET", `/console/${this.carrier}/messages?${this.query(before)}`);
    this.items = before ? [...this.items, ...page.items] : page.items;
    this.next = page.next;
    const shown = JSON.stringify([this.items, this.next, page.total > 0]);
    if (shown === this.shown) return;
    this.shown = shown;
    const focused = this.rows.contains(document.activeElement) ? document.activeElement.dataset.id : undefined;
    this.draw(page.total);
    if (focused) this.rows.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
  }

  draw(total) {
    if (!this.items.length) {
      this.rows.replaceChildren(total
        ? empty("Nothing matches", "Change or clear the filters above.")
        : empty("No messages yet", "Send a text from the phone, or from the product. It appears here at once."));
      return;
    }
    const rows = this.items.map((m) => {
      const inbound = m.direction === "inbound";
      return opening([
        h("td", { title: withOffset(m.at) }, moment(m.at)), h("td", {}, number(m.from)), h("td", {}, number(m.to)),
        h("td", {}, h("span", { class: `arrow ${inbound ? "in" : "out"}`, title: m.direction, role: "img", "aria-label": m.direction }, inbound ? ">" : "<")),
        h("td", {}, h("span", { class: `state ${m.status}` }, m.status)),
        h("td", { class: "body" }, h("span", { dir: "auto" }, m.body || (m.media.length ? "Picture" : ""))),
      ], () => this.open(m.id), m.id);
    });
    this.rows.replaceChildren(table(["Date", "From", "To", "Direction", "Status", "Body"], rows),
      this.next ? h("button", { type: "button", class: "more", onclick: () => attempt(() => this.load(this.next)) }, "Show older") : "");
  }

  async open(id) {
    const m = await attempt(() => ask("GET", `/console/${this.carrier}/messages/${encodeURIComponent(id)}`));
    if (!m) return;
    const copy = h("button", { type: "button", class: "small", onclick: () => attempt(async () => { await navigator.clipboard.writeText(m.id); toast("Copied"); }) }, "Copy");
    sheet("Message",
      h("blockquote", { dir: "auto" }, m.body || "No words"),
      h("p", { class: "muted" }, `${m.characters} ${m.characters === 1 ? "character" : "characters"} · ${m.segments} ${m.segments === 1 ? "segment" : "segments"} · ${m.encoding === "gsm7" ? "GSM 7-bit" : "UCS-2"}`),
      facts([
        [this.carrier === "restcomm" ? "SID" : "Reference id", [h("span", { class: "mono" }, m.id), copy]],
        ["Date", withOffset(m.at)], ["From", number(m.from)], ["To", number(m.to)], ["Direction", m.direction],
        ["Status", h("span", { class: `state ${m.status}` }, m.status)],
        m.error ? ["Error", `${m.error} ${(m.reason ?? "").toLowerCase().replaceAll("_", " ")}`] : null,
        m.sent ? ["Sent", withOffset(m.sent)] : null,
        m.updated === m.at ? null : ["Last report", withOffset(m.updated)],
        m.callback ? ["Status callback", h("span", { class: "mono" }, m.callback)] : null,
        m.media.length ? ["Media", h("span", { class: "mono" }, m.media.join(" "))] : null,
      ]),
      h("p", { class: "muted" }, "Carriers ask for this id when they trace a message."));
  }
}
