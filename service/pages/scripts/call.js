// The calls that this page has just made, as programs to copy.

import { byId, el, fill, words } from "./dom.js";

const said = words.call;
let chosen = "curl";

// What each route's answer is called in the programs, and what they print of it.
const KINDS = {
  predict: { kind: "digit", fields: ["label", "confidence", "accepted"] },
  read: { kind: "number", fields: ["text", "accepted"] },
};

// Each makes a program of { name: the picture's, example: its address if it is the service's own, calls }.
const languages = { curl, Python: python, JavaScript: javaScript };

function curl({ name, example, calls }) {
  const file = shell(`file=@"${name.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`);
  return [...(example ? [`curl -sO ${shell(example)}`] : []), ...calls.map(({ url }) => `curl -F ${file} ${shell(url)}`)].join("\n");
}

function python({ name, example, calls }) {
  const from = example ? `picture = httpx.get(${text(example)}).content` : `with open(${text(name)}, "rb") as file:\n    picture = file.read()`;
  const lines = calls.map(({ url, kind, fields }) => {
    const shown = fields.map((field) => `${kind}["${field}"]`).join(", ");
    return `${kind} = httpx.post(${text(url)}, files={"file": (${text(name)}, picture)}).json()\nprint(${shown})`;
  });
  return ["import httpx\n", from, ...lines].join("\n");
}

function javaScript({ name, example, calls }) {
  const from = example ? `await (await fetch(${text(example)})).blob()` : `await openAsBlob(${text(name)})`;
  const lines = calls.map(({ url, kind, fields }) => {
    const shown = fields.map((field) => `${kind}.${field}`).join(", ");
    return `const ${kind} = await (await fetch(${text(url)}, { method: "POST", body })).json();\nconsole.log(${shown});`;
  });
  const body = `const body = new FormData();\nbody.append("file", ${from}, ${text(name)});`;
  return [...(example ? [] : ['import { openAsBlob } from "node:fs";\n']), body, ...lines].join("\n");
}

const text = (value) => JSON.stringify(value); // is a string of Python too
const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** Show the panel for a picture that was just read by these routes. */
export function showCall(picture, asked, answer, example) {
  const addressOf = (path) => new URL(path, document.baseURI).href;
  const calls = asked.map((route) => ({ url: addressOf(`${route}?explain=true`), ...KINDS[route] }));
  const made = { name: picture.name, example: example && addressOf(example), calls };
  const notes = [asked.length > 1 && said.two, example && said.example].filter(Boolean).join(" ");
  const code = el("code", { id: "code" });
  const copy = el("button", { class: "button copy", onclick: () => copyText(code.textContent, copy) }, said.copy);
  const tabs = Object.keys(languages).map((name) =>
    el("button", { role: "tab", id: `tab-${name}`, "aria-controls": "code-panel", onclick: () => choose(name) }, name),
  );
  function choose(name) {
    chosen = name;
    code.textContent = languages[name](made);
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
  byId("program").replaceChildren(list, panel, el("p", { class: "cost" }, notes), save, whole);
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
