// The phone: one handset texting with one business number.

import { ask, attempt, dayName, h, hour, icon, number, phonePath } from "./dom.js";

const QUICK = ["STOP", "START", "HELP", "YES"];
const LARGEST = 1_000_000;
const kept = (name, otherwise) => localStorage.getItem(`simulators.${name}`) ?? otherwise;

/** Pictures that this process keeps are fetched from the page's own address, whatever name it was opened under. */
function near(address) {
  const url = new URL(address, location.href);
  const ours = ["localhost", "127.0.0.1", location.hostname].includes(url.hostname) && url.port === location.port;
  return ours && url.pathname.startsWith("/media/") ? url.pathname : address;
}

export class Phone {
  constructor(place) {
    this.place = place;
    this.mine = kept("phone", "+12025550142");
    this.theirs = kept("business", "");
    this.business = [];
    this.texts = [];
    this.seen = 0;
    this.file = null;
    this.draw();
  }

  /** The business numbers one can text with, taken from the carriers' accounts. */
  setBusiness(overview) {
    const rows = (accounts, carrier) => accounts.flatMap((account) => account.numbers
      .filter((n) => carrier === "restcomm" || n.type)
      .map((n) => ({ number: n.number, name: n.name === n.number ? "" : n.name, carrier, hooked: Boolean(n.hook || n.application) })));
    this.business = [...rows(overview.restcomm, "restcomm"), ...rows(overview.inteliquent, "inteliquent")];
    if (!this.business.some((b) => b.number === this.theirs)) {
      this.theirs = (this.business.find((b) => b.hooked) ?? this.business[0])?.number ?? "";
    }
    const group = (carrier, label) => h("optgroup", { label }, this.business.filter((b) => b.carrier === carrier)
      .map((b) => h("option", { value: b.number, selected: b.number === this.theirs }, `${b.name ? `${b.name} · ` : ""}${number(b.number)}`)));
    this.picker.replaceChildren(group("restcomm", "Restcomm"), group("inteliquent", "Inteliquent"));
    this.head();
  }

  draw() {
    this.picker = h("select", { onchange: (event) => this.choose(event.target.value) });
    this.input = h("input", { value: this.mine, inputmode: "tel", autocomplete: "off", spellcheck: "false",
      onchange: (event) => this.become(event.target.value) });
    this.contact = h("div", { class: "contact" });
    this.bubbles = h("div", { class: "bubbles", role: "log", "aria-label": "Texts", tabindex: "0" });
    this.area = h("textarea", { rows: "1", placeholder: "Text message", "aria-label": "Text message",
      oninput: () => this.ready(),
      onkeydown: (event) => { if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); this.send(); } } });
    this.button = h("button", { type: "button", class: "primary round", disabled: true, title: "Write something first", "aria-label": "Send", onclick: () => this.send() }, icon("send"));
    this.files = h("input", { type: "file", accept: "image/jpeg,image/png,image/gif", hidden: true, onchange: () => this.attach() });
    this.chosen = h("div", { class: "chosen", hidden: true });
    this.clock = h("span", {}, hour(Date.now()));
    this.screen = h("div", { class: "screen" },
      h("div", { class: "status", "aria-hidden": "true" }, this.clock, h("span", { class: "island" }), h("span", { class: "signs" }, "5G")),
      this.contact, this.bubbles,
      h("div", { class: "words" }, QUICK.map((word) => h("button", { type: "button", class: word === "STOP" ? "stop" : "", onclick: () => this.send(word) }, word))),
      h("div", { class: "write" }, this.chosen, this.files,
        h("button", { type: "button", class: "quiet round", "aria-label": "Add a picture", title: "Add a picture", onclick: () => this.files.click() }, icon("picture")),
        this.area, this.button));
    this.place.replaceChildren(
      h("div", { class: "who" }, h("label", {}, "This phone's number", this.input), h("label", {}, "Texts with", this.picker)),
      h("div", { class: "device" }, this.screen),
      h("p", { class: "hint" }, "Numbers ending 555-0101 to 555-0108 misbehave on purpose; see Faults."));
    setInterval(() => { this.clock.textContent = hour(Date.now()); }, 15_000);
  }

  head() {
    const business = this.business.find((b) => b.number === this.theirs);
    const name = business?.name || number(this.theirs) || "Nobody";
    const carrier = business?.carrier === "inteliquent" ? "Inteliquent" : "Restcomm";
    this.contact.className = `contact ${business?.carrier ?? ""}`;
    this.contact.replaceChildren(
      h("span", { class: "face", "aria-hidden": "true" }, (business?.name || "#").slice(0, 1).toUpperCase()),
      h("div", {}, h("strong", {}, name),
        h("span", {}, business ? `${business.name ? `${number(this.theirs)} · ` : ""}${carrier}${business.hooked ? "" : " · no webhook yet"}` : "No carrier has a number")));
    if (this.picker.value !== this.theirs) this.picker.value = this.theirs;
  }

  choose(theirs) {
    this.theirs = theirs;
    localStorage.setItem("simulators.business", theirs);
    this.head();
    this.show(true);
  }

  become(typed) {
    const digits = typed.replace(/[^\d+]/g, "");
    this.mine = digits.startsWith("+") ? digits : digits.length === 10 ? `+1${digits}` : `+${digits}`;
    this.input.value = this.mine;
    localStorage.setItem("simulators.phone", this.mine);
    this.seen = 0;
    this.load();
  }

  async load() {
    const { items } = await ask("GET", `${phonePath(this.mine)}?limit=300`);
    const before = this.seen;
    this.texts = items;
    this.seen = items.at(-1)?.id ?? 0;
    const other = before ? items.findLast((t) => t.id > before && t.direction === "in" && t.from !== this.theirs) : null;
    if (other) this.banner(other);
    this.show(before === 0);
  }

  ready() {
    this.button.disabled = !this.area.value.trim() && !this.file;
    this.button.title = this.button.disabled ? "Write something first" : "Send";
  }

  async send(word) {
    const text = word ?? this.area.value.trim();
    if (!text && !this.file) return;
    const media = word || !this.file ? [] : [{ data: this.file.data, content_type: this.file.type }];
    const sent = await attempt(() => ask("POST", phonePath(this.mine), { to: this.theirs, text, media }));
    if (!sent) return;
    if (!word) { this.area.value = ""; this.drop(); }
    await this.load();
  }

  async attach() {
    const file = this.files.files[0];
    if (!file) return;
    await attempt(async () => {
      if (file.size > LARGEST) throw new Error("Carriers take pictures of up to 1 MB. Choose a smaller one.");
      const url = await new Promise((done) => { const reader = new FileReader(); reader.onload = () => done(reader.result); reader.readAsDataURL(file); });
      this.file = { data: url.split(",")[1], type: file.type };
      this.chosen.replaceChildren(icon("picture"), h("span", {}, file.name),
        h("button", { type: "button", class: "quiet small", "aria-label": "Take the picture away", onclick: () => this.drop() }, icon("close")));
      this.chosen.hidden = false;
    });
    this.files.value = "";
    this.ready();
  }

  drop() {
    this.file = null;
    this.chosen.hidden = true;
    this.ready();
  }

  banner(text) {
    this.screen.querySelector(".banner")?.remove();
    const name = this.business.find((b) => b.number === text.from)?.name || number(text.from);
    const shown = h("button", { type: "button", class: "banner", onclick: () => { shown.remove(); this.choose(text.from); } },
      h("strong", {}, name), h("span", {}, text.text || "Picture"));
    this.screen.append(shown);
    setTimeout(() => shown.remove(), 6000);
  }

  show(whole) {
    const mine = this.texts.filter((t) => (t.direction === "in" ? t.from : t.to) === this.theirs);
    const atEnd = whole || this.bubbles.scrollHeight - this.bubbles.scrollTop - this.bubbles.clientHeight < 80;
    const newest = Number(this.bubbles.dataset.newest ?? 0);
    if (!mine.length) {
      this.bubbles.replaceChildren(h("div", { class: "empty" }, h("strong", {}, "No texts yet"), h("span", {}, "Write to this business as a customer would. Its answer appears here.")));
    } else {
      this.bubbles.replaceChildren(...mine.flatMap((text, index) => this.bubble(text, mine[index - 1], mine[index + 1], !whole && text.id > newest)));
    }
    this.bubbles.dataset.newest = String(mine.at(-1)?.id ?? 0);
    this.following = atEnd;
    this.end();
  }

  /** Keep the newest text in sight while one is reading there. */
  end() {
    if (this.following) this.bubbles.scrollTop = this.bubbles.scrollHeight;
  }

  bubble(text, before, after, fresh) {
    const day = !before || new Date(before.at).toDateString() !== new Date(text.at).toDateString();
    const joined = after && after.direction === text.direction && new Date(after.at) - new Date(text.at) < 60_000;
    const pictures = text.media.map((file) => (file.content_type || "image/").startsWith("image/")
      ? h("img", { src: near(file.url), alt: "Picture", onload: () => this.end() })
      : h("a", { href: file.url, rel: "noreferrer noopener", target: "_blank" }, "Attachment"));
    return [
      day ? h("span", { class: "day" }, dayName(text.at)) : null,
      h("div", { class: `bubble ${text.direction}${joined ? "" : " tail"}${fresh ? " new" : ""}`, dir: "auto" }, pictures, text.text),
      joined ? null : h("span", { class: `when ${text.direction}` }, hour(text.at)),
    ].filter(Boolean);
  }
}
