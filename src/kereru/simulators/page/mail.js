// The mailbox page: what the product mailed, newest first.

import { ask, empty, h, moment } from "./dom.js";

const place = document.getElementById("mails");
const LINK = /https?:\/\/[^\s<>"]+/g;

/** Plain text with its links made clickable. */
function linked(text) {
  const parts = [];
  let from = 0;
  for (const found of text.matchAll(LINK)) {
    parts.push(text.slice(from, found.index), h("a", { href: found[0], rel: "noreferrer noopener" }, found[0]));
    from = found.index + found[0].length;
  }
  return [...parts, text.slice(from)];
}

async function load() {
  const open = new Set([...place.querySelectorAll("details[open]")].map((d) => d.dataset.id));
  const { items } = await ask("GET", "/mail/messages");
  if (!items.length) {
    place.replaceChildren(empty("No mail yet", "Everything the product mails ends up here. Nothing is sent on."));
    return;
  }
  place.replaceChildren(...items.map((mail) => h("details", { "data-id": String(mail.id), open: open.has(String(mail.id)) },
    h("summary", {}, h("strong", {}, mail.subject || "No subject"), h("span", { class: "muted" }, `to ${mail.to.join(", ")}`), h("time", { datetime: mail.at }, moment(mail.at))),
    h("div", { class: "letter", dir: "auto" }, linked(mail.text || new DOMParser().parseFromString(mail.html, "text/html").body.textContent.trim())))));
}

document.getElementById("empty-box").addEventListener("click", async () => { await ask("DELETE", "/mail/messages"); await load(); });
const events = new EventSource("/events");
events.onmessage = (event) => { if (JSON.parse(event.data).topic === "mail") load(); };
await load();
