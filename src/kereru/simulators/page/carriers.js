// The two carriers' consoles (R102, R157, R158, R193): sections that hold something, numbers, webhooks, keys, credentials.

import { ask, attempt, copyButton, empty, facts, h, icon, moment, number, sections, table, toast } from "./dom.js";
import { MessageLog } from "./messages.js";

const PAGE = 10;
const short = (value) => (value && value.length > 14 ? `${value.slice(0, 6)}…${value.slice(-4)}` : value ?? "");
const secret = (value, what) => [h("span", { class: "mono" }, value), copyButton(value, what)];

class Console {
  constructor(carrier) {
    this.carrier = carrier;
    this.section = "logs";
    this.page = 0;
    this.place = h("div");
  }

  /** New facts about the accounts. */
  set(overview) {
    this.overview = overview;
    this.accounts = overview[this.carrier];
    this.log ??= new MessageLog(this.carrier, this.accounts);
    if (this.section !== "logs" && this.place.isConnected) this.draw();
  }

  draw() {
    if (!this.accounts.length) {
      this.place.replaceChildren(empty("No account here", "Give the simulators an inventory with an account of this carrier."));
      return;
    }
    const content = this.section === "logs" ? this.log.place : h("div", {}, this.accounts.map((account) => this.one(account)));
    this.place.replaceChildren(sections(this.names(), this.section, (id) => { this.section = id; this.page = 0; this.draw(); }), content);
    if (this.section === "logs") attempt(() => this.log.load());
  }

  refresh() {
    if (this.section === "logs" && this.place.isConnected) this.log.soon();
  }

  one(account) {
    return h("section", {}, this.accounts.length > 1 ? h("h2", {}, account.name) : "", this.content(account));
  }

  remove(path, words) {
    return h("button", { type: "button", class: "quiet small danger", onclick: () => attempt(async () => { await ask("DELETE", path); toast(words); }) }, icon("bin"), "Delete");
  }
}

export class Restcomm extends Console {
  constructor() { super("restcomm"); }

  names() {
    const some = (key) => this.accounts.some((a) => a[key].length);
    return [["logs", "Logs"], ["numbers", "Numbers"], some("applications") && ["applications", "Applications"],
      some("notices") && ["notices", "Warnings"], ["account", "Account"]].filter(Boolean);
  }

  content(account) {
    if (this.section === "numbers") {
      return table(["Number", "Name", "Texts go to", ""], account.numbers.map((n) => h("tr", {},
        h("td", {}, number(n.number)), h("td", {}, n.name === n.number ? "" : n.name),
        h("td", { class: "url", title: n.hook ?? "" }, n.application ? `Application ${short(n.application)}` : n.hook ?? h("span", { class: "muted" }, "Nowhere; texts are dropped")),
        h("td", {}, n.hook ? this.remove(`/console/restcomm/${account.account}/numbers/${n.sid}/hook`, "Webhook removed") : ""))));
    }
    if (this.section === "applications") {
      return table(["Name", "Kind", "Texts go to", "SID"], account.applications.map((a) => h("tr", {},
        h("td", {}, a.name), h("td", {}, a.kind), h("td", { class: "url" }, a.url ?? ""), h("td", { class: "mono" }, short(a.sid)))));
    }
    if (this.section === "notices") {
      return table(["Date", "Number", "Code", "Warning"], account.notices.map((n) => h("tr", {},
        h("td", {}, moment(n.at)), h("td", {}, number(n.number)), h("td", {}, String(n.code)), h("td", { class: "body" }, n.text))));
    }
    return [h("p", { class: "intro" }, "What a platform in the product needs to work with this account."), facts([
      ["API address", secret(this.overview.api.restcomm, "the address")], ["Account SID", secret(account.account, "the SID")],
      ["Auth token", secret(account.token, "the token")], account.email && ["E-mail", account.email], account.parent && ["Parent", account.parent],
    ])];
  }
}

export class Inteliquent extends Console {
  constructor() { super("inteliquent"); }

  names() {
    return [["logs", "Messages"], ["numbers", "Numbers"], ["webhooks", "Webhooks"], ["keys", "API keys"], ["account", "Account"]];
  }

  content(account) {
    if (this.section === "numbers") {
      return table(["Number", "Name", "Class", "Messaging", "Texts go to"], account.numbers.map((n) => h("tr", {},
        h("td", {}, `1 ${number(n.number)}`), h("td", {}, n.name === n.number ? "" : n.name), h("td", {}, n.class ?? ""),
        h("td", {}, n.type ?? h("span", { class: "muted" }, "Not enabled")),
        h("td", { class: "url", title: n.hook ?? "" }, n.hook ?? h("span", { class: "muted" }, "Nowhere; texts are dropped")))));
    }
    if (this.section === "webhooks") return this.webhooks(account);
    if (this.section === "keys") {
      return [h("div", { class: "row" }, h("p", { class: "intro" }, "Whoever holds one of these keys can send as this account and read its webhooks."),
        h("button", { type: "button", class: "primary push", onclick: () => attempt(async () => { await ask("POST", `/console/inteliquent/${account.account}/keys`); toast("Key generated"); }) }, icon("key"), "Generate API key")),
      table(["Auth id", "Key", ""], account.keys.map((k) => h("tr", {},
        h("td", {}, String(k.auth_id)), h("td", { class: "mono" }, k.key),
        h("td", {}, h("div", { class: "row" }, copyButton(k.key, "the key"), this.remove(`/console/inteliquent/${account.account}/authorizations/${k.auth_id}`, "Key deleted"))))))];
    }
    return [h("p", { class: "intro" }, "What a platform in the product needs to work with this account."), facts([
      ["Broker address", secret(this.overview.api.inteliquent_broker, "the address")], ["Services address", secret(this.overview.api.inteliquent_services, "the address")],
      ["Outbound API key", account.keys[0] ? secret(account.keys[0].key, "the key") : "None; generate one"],
      ["Account key", secret(account.key, "the key")], ["Secret", secret(account.secret, "the secret")],
      ["Delivery receipts", account.receipts === "Y" ? "On" : "Off"],
    ])];
  }

  webhooks(account) {
    if (!account.webhooks.length) return empty("No webhooks", "Every number that is provisioned in the product gets its own entry here.");
    const pages = Math.ceil(account.webhooks.length / PAGE);
    this.page = Math.min(this.page, pages - 1);
    const turn = (by, words) => h("button", { type: "button", class: "small", disabled: this.page + by < 0 || this.page + by >= pages,
      title: "There are no more pages this way", onclick: () => { this.page += by; this.draw(); } }, words);
    const rows = account.webhooks.slice(this.page * PAGE, (this.page + 1) * PAGE).map((w) => h("tr", {},
      h("td", {}, String(w.auth_id)), h("td", {}, w.tn ?? h("span", { class: "muted" }, "All numbers")), h("td", { class: "url", title: w.url }, w.url),
      h("td", {}, w.key ? short(w.key) : h("span", { class: "muted" }, "None")), h("td", {}, w.header_name ? `${w.header_name}: ${short(w.header_value)}` : h("span", { class: "muted" }, "None")),
      h("td", {}, this.remove(`/console/inteliquent/${account.account}/authorizations/${w.auth_id}`, "Webhook deleted"))));
    return [table(["Auth id", "TN", "URL", "API key", "Header", ""], rows),
      pages > 1 ? h("div", { class: "row more" }, turn(-1, "Previous"), h("span", { class: "muted" }, `Page ${this.page + 1} of ${pages}`), turn(1, "Next")) : ""];
  }
}
