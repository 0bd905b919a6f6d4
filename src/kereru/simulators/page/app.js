// The page: tabs, what is live, and which part shows what.

import { Inteliquent, Restcomm } from "./carriers.js";
import { ask, attempt, h } from "./dom.js";
import { FaultsPane } from "./faults.js";
import { LedgerPane } from "./ledger.js";
import { Phone } from "./phone.js";

const phone = new Phone(document.getElementById("phone-pane"));
const restcomm = new Restcomm(), inteliquent = new Inteliquent(), ledger = new LedgerPane();
const count = h("span", { class: "count", hidden: true });
const faults = new FaultsPane((n) => { count.hidden = n === 0; count.textContent = String(n); count.setAttribute("aria-label", `${n} on`); });
const panes = { restcomm, inteliquent, faults, ledger };
const words = { restcomm: "Restcomm", inteliquent: "Inteliquent", faults: "Faults", ledger: "Ledger" };
const tabs = document.getElementById("tabs"), pane = document.getElementById("pane");
let current = "";

function show(name) {
  if (!(name in panes)) name = "restcomm";
  current = name;
  history.replaceState(null, "", `#${name}`);
  for (const tab of tabs.children) {
    const chosen = tab.dataset.name === name;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
  }
  pane.setAttribute("aria-labelledby", `tab-${name}`);
  pane.replaceChildren(panes[name].place);
  pane.scrollTop = 0;
  if (name === "restcomm" || name === "inteliquent") panes[name].draw();
  else attempt(() => panes[name].load());
}

function makeTabs() {
  const names = Object.keys(panes);
  tabs.replaceChildren(...names.map((name, index) => h("button", {
    type: "button", role: "tab", id: `tab-${name}`, "data-name": name, "aria-controls": "pane", onclick: () => show(name),
    onkeydown: (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = names[(index + step + names.length) % names.length];
      show(next);
      document.getElementById(`tab-${next}`).focus();
    },
  }, words[name], name === "faults" ? count : "")));
}

async function overview() {
  const facts = await ask("GET", "/console");
  restcomm.set(facts);
  inteliquent.set(facts);
  phone.setBusiness(facts);
}

const pending = new Set();
let timer;
/** Many changes at once become one look. */
function changed(topic) {
  pending.add(topic);
  timer ??= setTimeout(() => {
    timer = undefined;
    const topics = new Set(pending);
    pending.clear();
    attempt(async () => {
      if (topics.has("setting") || topics.has("notice")) await overview();
      if (topics.has("phone")) await phone.load();
      if (topics.has("message") && current in { restcomm, inteliquent }) panes[current].refresh();
      if (topics.has("faults") || topics.has("setting")) await faults.load();
      ledger.refresh();
    });
  }, 120);
}

function follow() {
  const live = document.getElementById("live"), word = document.getElementById("live-word");
  const say = (state, text) => { live.dataset.state = state; word.textContent = text; };
  const events = new EventSource("/events");
  events.onopen = () => { say("on", "Live"); ["setting", "phone", "message", "faults"].forEach(changed); };
  events.onmessage = (event) => changed(JSON.parse(event.data).topic);
  events.onerror = () => say("off", "The simulators are not running");
}

for (const button of document.querySelectorAll("[data-show]")) {
  button.addEventListener("click", () => {
    document.body.dataset.view = button.dataset.show;
    for (const other of document.querySelectorAll("[data-show]")) other.setAttribute("aria-pressed", String(other === button));
    if (button.dataset.show === "phone") phone.show(true);
  });
}

makeTabs();
await attempt(overview);
show(location.hash.slice(1));
await attempt(() => phone.load());
await attempt(() => faults.load());
follow();
