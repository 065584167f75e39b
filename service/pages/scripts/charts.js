// Small charts as SVG and lists.

import { el, svg } from "./dom.js";

const [WIDTH, HEIGHT] = [300, 80];

/** Lines over time, the newest at the right edge: series of { name, values }, a value null where there is none. */
export function lines(series, length, label) {
  const highest = Math.max(...series.flatMap(({ values }) => values.filter((value) => value !== null)), 0) || 1;
  const top = nice(highest);
  const drawn = series.map(({ values }, index) =>
    svg("path", { class: `line line${index}`, d: pathOf(values, length, top) }),
  );
  return el(
    "div",
    { class: "plot" },
    svg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
      [0.5, 1].map((part) => svg("line", { class: "grid", x1: 0, x2: WIDTH, y1: HEIGHT * (1 - part), y2: HEIGHT * (1 - part) })),
      drawn,
    ),
    el("span", { class: "top" }, short(top)),
  );
}

function pathOf(values, length, top) {
  let open = false;
  return values
    .map((value, index) => {
      if (value === null) return (open = false), "";
      const x = ((length - values.length + index) / (length - 1)) * WIDTH;
      const step = `${open ? "L" : "M"}${x.toFixed(1)} ${(HEIGHT * (1 - value / top)).toFixed(1)}`;
      open = true;
      return step;
    })
    .join("");
}

/** Upright columns: [name, value] each. */
export function columns(entries, label) {
  const highest = Math.max(...entries.map(([, value]) => value)) || 1;
  const step = WIDTH / entries.length;
  return svg(
    "svg",
    { class: "columns", viewBox: `0 0 ${WIDTH} ${HEIGHT + 16}`, role: "img", "aria-label": label },
    entries.map(([name, value], index) => {
      const height = (value / highest) * HEIGHT;
      const x = index * step + step * 0.1;
      return [
        svg("rect", { class: "bar", x, y: HEIGHT - height, width: step * 0.8, height, rx: 2 }),
        svg("text", { x: x + step * 0.4, y: HEIGHT + 13 }, name),
      ];
    }).flat(),
  );
}

/** Rows with a bar each: [name, value] each. */
export function rows(entries, digits = 0) {
  const highest = Math.max(...entries.map(([, value]) => value)) || 1;
  return el(
    "ul",
    { class: "rows" },
    entries.map(([name, value]) =>
      el(
        "li",
        {},
        el("span", {}, name),
        el("b", {}, value.toFixed(digits)),
        svg("svg", { viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" }, svg("rect", { class: "bar", width: (100 * value) / highest, height: 4 })),
      ),
    ),
  );
}

/** The names of lines with their newest values. */
export function key(entries) {
  return el(
    "dl",
    { class: "values" },
    entries.map(([name, value], index) => el("div", { class: `line${index}` }, el("dt", {}, name), el("dd", {}, value === null ? "–" : short(value)))),
  );
}

/** A number in about three figures. */
export function short(value) {
  if (value === 0) return "0";
  return value >= 100 ? Math.round(value).toLocaleString("en") : `${+value.toPrecision(value >= 10 ? 3 : 2)}`;
}

function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((top) => top >= value);
}
