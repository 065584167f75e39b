// The call that this page has just made, as a program to copy.

import { byId, el, fill, words } from "./dom.js";

const said = words.call;
let chosen = "curl";

/** The same call in three languages. */
export function programs(url, file, route) {
  const text = JSON.stringify(file); // is a string of Python too
  const shown = route === "read" ? ["text", "accepted"] : ["label", "confidence", "accepted"];
  return {
    curl: `curl -F ${shell(`file=@"${file.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`)} ${shell(url)}`,
    Python: `import httpx

with open(${text}, "rb") as picture:
    answer = httpx.post(${JSON.stringify(url)}, files={"file": picture}).json()
print(${shown.map((field) => `answer["${field}"]`).join(", ")})`,
    JavaScript: `import { openAsBlob } from "node:fs";

const body = new FormData();
body.append("file", await openAsBlob(${text}), ${text});
const answer = await (await fetch(${JSON.stringify(url)}, { method: "POST", body })).json();
console.log(${shown.map((field) => `answer.${field}`).join(", ")});`,
  };
}

const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** Show the panel for a picture that was just read. */
export function showCall(picture, route, answer) {
  const url = new URL(`${route}?explain=true`, document.baseURI).href;
  const all = programs(url, picture.name, route);
  const code = el("code", { id: "code" });
  const copy = el("button", { class: "button copy", onclick: () => copyText(code.textContent, copy) }, said.copy);
  const tabs = Object.keys(all).map((name) =>
    el("button", { role: "tab", id: `tab-${name}`, "aria-controls": "code-panel", onclick: () => choose(name) }, name),
  );
  function choose(name) {
    chosen = name;
    code.textContent = all[name];
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", tab.textContent === name);
      tab.tabIndex = tab.textContent === name ? 0 : -1;
    }
    panel.setAttribute("aria-labelledby", `tab-${name}`);
  }
  const list = el("div", { role: "tablist", "aria-label": said.tabs, onkeydown: (event) => turn(event, tabs) }, tabs);
  const panel = el("div", { role: "tabpanel", id: "code-panel", class: "code" }, el("pre", { tabindex: 0 }, code), copy);
  const save = el("a", { class: "save", href: URL.createObjectURL(picture), download: picture.name }, fill(said.save, picture));
  const whole = el("details", {}, el("summary", {}, said.json), el("pre", { tabindex: 0 }, el("code", {}, JSON.stringify(short(answer), null, 2))));
  const old = byId("program").querySelector("a");
  if (old) URL.revokeObjectURL(old.href);
  byId("program").replaceChildren(list, panel, save, whole);
  choose(chosen);
  byId("call").hidden = false;
}

/** Arrow keys move between tabs. */
function turn(event, tabs) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const at = tabs.indexOf(document.activeElement);
  const next = tabs[(at + step + tabs.length) % tabs.length];
  next.click();
  next.focus();
}

/** An answer with its pictures cut short: data URIs are long. */
function short(answer) {
  return JSON.parse(JSON.stringify(answer, (key, value) => (key === "picture" ? `${value.slice(0, 32)}…` : value)));
}

async function copyText(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // over plain HTTP from another machine there is no clipboard
    const area = el("textarea", { class: "unseen" }, text);
    button.after(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    button.focus();
  }
  button.textContent = said.copied;
  setTimeout(() => (button.textContent = said.copy), 2000);
}
