// Elements, formats and requests: what every part of the page uses.

const ICONS = {
  send: "M4 12 20 4l-5 16-3.500-6.500L4 12Z",
  picture: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.500 9.500h.01",
  close: "M6 6l12 12M18 6 6 18",
  copy: "M9 9h10v11H9zM5 15V4h10",
  bin: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  key: "M14.500 9.500a4 4 0 1 0-3.700 4L13 16h2v2h2v2h3v-3l-5.700-5.700c.1-.6.2-1.200.2-1.800Z",
};

/** Make an element: attributes, listeners (onclick ...), children (nodes or strings). */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key in element && typeof value !== "string") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Ask the simulators; throws an Error with plain words when they refuse. */
export async function ask(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  const value = text ? JSON.parse(text) : null;
  if (!answer.ok) throw new Error(value?.title ?? `The simulators answered ${answer.status}.`);
  return value;
}

export const phonePath = (number) => `/phones/${encodeURIComponent(number)}/messages`;

let hiding;
/** Say something for a moment. */
export function toast(words, bad = false) {
  const place = document.getElementById("toast");
  place.textContent = words;
  place.className = bad ? "toast bad" : "toast";
  place.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { place.hidden = true; }, bad ? 6000 : 2500);
}

/** Run something a person asked for; its failure is said in plain words. */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    toast(error.message, true);
    return undefined;
  }
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const exact = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const weekday = new Intl.DateTimeFormat("en-GB", { weekday: "short" });
const dayMonth = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const dayMonthYear = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

export const hour = (at) => clock.format(new Date(at));
export const second = (at) => exact.format(new Date(at));

/** 10:42 today, Tue 10:42 this week, 12 Mar, 12 Mar 2025. */
export function moment(at) {
  const when = new Date(at), now = new Date();
  if (when.toDateString() === now.toDateString()) return second(at);
  if (now - when < 6 * 864e5) return `${weekday.format(when)} ${hour(at)}`;
  return (when.getFullYear() === now.getFullYear() ? dayMonth : dayMonthYear).format(when);
}

/** The day's name over a run of bubbles. */
export function dayName(at) {
  const when = new Date(at), now = new Date();
  return when.toDateString() === now.toDateString() ? "Today" : dayMonthYear.format(when);
}

/** A date with its offset, as logs want it. */
export function withOffset(at) {
  const when = new Date(at), minutes = -when.getTimezoneOffset();
  const two = (n) => String(Math.floor(Math.abs(n))).padStart(2, "0");
  return `${dayMonthYear.format(when)}, ${second(at)} ${minutes < 0 ? "−" : "+"}${two(minutes / 60)}:${two(minutes % 60)}`;
}

/** One way to write a number: North American ones national, others as they are. */
export function number(e164) {
  const found = /^\+?1(\d{3})(\d{3})(\d{4})$/.exec(e164 ?? "");
  return found ? `(${found[1]}) ${found[2]}-${found[3]}` : e164;
}

export function copyButton(value, what) {
  return h("button", { type: "button", class: "quiet small", "aria-label": `Copy ${what}`, title: `Copy ${what}`,
    onclick: () => attempt(async () => { await navigator.clipboard.writeText(value); toast("Copied"); }) }, icon("copy"));
}

export function empty(title, words) {
  return h("div", { class: "empty" }, h("strong", {}, title), h("span", {}, words));
}

export function table(heads, rows) {
  return h("div", { class: "table", tabindex: "0", role: "region", "aria-label": heads.filter(Boolean).join(", ") },
    h("table", {}, h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))), h("tbody", {}, rows)));
}

/** A row that opens something, by click or Enter; its id lets it keep the focus when the table is drawn anew. */
export function opening(cells, open, id) {
  return h("tr", { class: "opens", tabindex: "0", "data-id": id, onclick: open, onkeydown: (event) => { if (event.key === "Enter") open(); } }, cells);
}

export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(Boolean).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]).flat());
}

export function sections(names, chosen, choose) {
  return h("div", { class: "sections", role: "group", "aria-label": "Section" },
    names.map(([id, words]) => h("button", { type: "button", "aria-pressed": String(id === chosen), onclick: () => choose(id) }, words)));
}

/** Open the side sheet. */
export function sheet(title, ...content) {
  const place = document.getElementById("sheet");
  place.replaceChildren(
    h("header", {}, h("h2", { id: "sheet-title" }, title),
      h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => place.close() }, icon("close"))),
    h("div", { class: "inside" }, content, h("div", {}, h("button", { type: "button", onclick: () => place.close() }, "Close"))));
  place.onclick = (event) => { if (event.target === place) place.close(); };
  if (!place.open) place.showModal();
}
