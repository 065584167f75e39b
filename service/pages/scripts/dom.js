// Elements by their tag, and the page's words, which the service writes into it.

export const words = JSON.parse(document.getElementById("words").textContent);

/** A text of the words with its {names} filled in. */
export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

export const byId = (id) => document.getElementById(id);

/** An element: its attributes, listeners (on…) among them, and what is in it. */
export function el(tag, attributes = {}, ...children) {
  return dress(document.createElement(tag), attributes, children);
}

/** An element of SVG. */
export function svg(tag, attributes = {}, ...children) {
  return dress(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function dress(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

/** How sure a model is: never wholly, nor not at all, as answers are rounded; as service/html.py writes it. */
export function percent(share) {
  if (share < 0.01) return "< 1 %";
  const shown = (share * 100).toFixed(share > 0.9 ? 1 : 0);
  return shown === "100.0" ? "> 99.9 %" : `${shown.replace(/\.0$/, "")} %`;
}

/** A model as the pages call it. */
export const nameOf = (model) => words.models[model]?.name ?? model;
