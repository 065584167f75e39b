// The page: what is on the paper, kept with its past, is asked about as soon as it changes.

import { number, prediction } from "./answer.js";
import { ask, drop, load, read } from "./ask.js";
import { showCall } from "./call.js";
import { byId, el, fill, svg, words } from "./dom.js";
import { Paper } from "./paper.js";

const REST = 200; // milliseconds after a stroke: the next may be about to begin
const EMPTY = { strokes: [], file: null, example: null };

const most = Number(byId("call").dataset.most);
const [sheet, shown, boxes] = [byId("sheet"), byId("picture"), byId("boxes")];
const blank = [...byId("answer").childNodes];
let state = EMPTY;
const past = [];
let timer = 0;

const paper = new Paper(byId("paper"), begin, (stroke) => {
  change({ ...EMPTY, strokes: [...paper.strokes, stroke] }, REST);
});

/** A stroke begins: on new paper, where a picture lay. */
function begin() {
  clearTimeout(timer);
  drop();
  boxes.replaceChildren();
  byId("hint").hidden = true;
  if (state.file) show(EMPTY);
}

function change(next, rest = 0) {
  past.push(state);
  go(next, rest);
}

function go(next, rest = 0) {
  state = next;
  show(next);
  clearTimeout(timer);
  drop();
  if (isEmpty(next)) return forget();
  timer = setTimeout(question, rest);
}

const isEmpty = ({ strokes, file }) => !strokes.length && !file;

/** Put a state on the paper. */
function show({ strokes, file }) {
  paper.strokes = strokes;
  paper.draw();
  boxes.replaceChildren();
  byId("hint").hidden = !isEmpty({ strokes, file });
  const focused = document.activeElement;
  byId("undo").disabled = !past.length;
  byId("clear").disabled = isEmpty({ strokes, file });
  if (focused?.disabled) byId("paper").focus(); // else the keyboard would be nowhere
  byId("unshown").hidden = true;
  if (shown.src) URL.revokeObjectURL(shown.src);
  shown.removeAttribute("src");
  shown.hidden = !file;
  if (file) shown.src = URL.createObjectURL(file);
}

shown.addEventListener("error", () => {
  shown.hidden = true;
  byId("unshown").hidden = !state.file;
  byId("unshown").textContent = state.file?.name ?? "";
});

/** Whoever asks whether an answer is right is told which stands there, or that none does. */
function tell(answer, index = 0) {
  const digit = answer?.digits ? answer.digits[index] : answer;
  const detail = digit && { request_id: answer.receipt.request_id, index, label: digit.label };
  document.dispatchEvent(new CustomEvent("answered", { detail: detail ?? null }));
}

function forget() {
  tell(null);
  byId("answer").replaceChildren(...blank);
  byId("answer").classList.remove("old");
  byId("trouble").replaceChildren();
  byId("said").textContent = "";
  byId("call").hidden = true;
}

async function question() {
  const asked = state;
  byId("answer").classList.add("old");
  tell(null);
  const picture = asked.file ?? new File([await paper.png()], "digit.png", { type: "image/png" });
  if (asked === state) until((signal) => read(picture, most, signal), (found) => told(picture, found));
}

/** Ask until there is an answer, and say meanwhile what is in its way. */
function until(question, answer) {
  ask(question, {
    answer,
    problem: (problem) => trouble(problem),
    waiting: (problem, seconds) => trouble(problem, fill(words.problems.again, { seconds: Math.ceil(seconds) })),
  });
}

function told(picture, { route, answer, asked }) {
  byId("trouble").replaceChildren();
  byId("answer").classList.remove("old");
  const found = route === "read" ? number(answer, (index) => mark(answer, index)) : prediction(answer);
  byId("answer").replaceChildren(...found.node.filter(Boolean));
  byId("said").textContent = found.sentence;
  if (route === "read") found.show(Math.max(answer.digits.findIndex((digit) => !digit.accepted), 0));
  else {
    box([answer.seen.box], [answer.accepted ? "" : "doubt"]);
    tell(answer);
  }
  if (!byId("unshown").hidden) byId("unshown").textContent = words.home.unshown;
  showCall(picture, asked, answer, state.example);
}

function trouble(problem, again) {
  const kept = byId("trouble").dataset.name === problem.name && byId("trouble").firstChild;
  if (kept && again) return void (byId("trouble").lastChild.textContent = again);
  byId("trouble").dataset.name = problem.name;
  byId("trouble").replaceChildren(el("h3", {}, problem.title), el("p", {}, problem.detail), el("p", { class: "again", "aria-live": "off" }, again ?? ""));
  if (again) return;
  tell(null);
  byId("answer").replaceChildren(...blank);
  byId("answer").classList.remove("old");
  byId("call").hidden = true;
}

/** The boxes of a number's digits and of what was left out, with the chosen one marked. */
function mark(answer, chosen) {
  tell(answer, chosen);
  const digits = answer.digits.map((digit, index) => (index === chosen ? "chosen" : digit.accepted ? "" : "doubt"));
  const all = [...answer.digits, ...answer.skipped];
  box(all.map((each) => each.box), [...digits, ...answer.skipped.map(() => "left")]);
}

/** Boxes over the picture, in its own pixels. */
async function box(places, kinds) {
  const on = state;
  if (on.file) await shown.decode().catch(() => null);
  if (on !== state || (on.file && shown.hidden)) return;
  const [width, height] = on.file ? [shown.naturalWidth, shown.naturalHeight] : paper.size;
  const margin = Math.min(width, height) / 60;
  boxes.setAttribute("viewBox", `0 0 ${width} ${height}`);
  boxes.replaceChildren(
    ...places.map(({ left, top, width, height }, index) =>
      svg("rect", {
        class: kinds[index],
        x: left - margin,
        y: top - margin,
        width: width + 2 * margin,
        height: height + 2 * margin,
        rx: margin,
      }),
    ),
  );
}

byId("undo").addEventListener("click", undo);
byId("clear").addEventListener("click", clear);

/** Take the stroke that is being drawn back, else the last change. */
function undo() {
  if (paper.cancel()) go(state);
  else if (past.length) go(past.pop());
}

function clear() {
  if (paper.cancel()) go(state);
  if (!isEmpty(state)) change(EMPTY);
}

document.addEventListener("keydown", (event) => {
  const command = event.ctrlKey || event.metaKey;
  if (command && event.key === "z") {
    event.preventDefault();
    undo();
  } else if ((event.key === "Delete" || event.key === "Backspace") && event.target === byId("paper")) clear();
});

/** The first picture among files that were dropped, pasted or chosen; what is none is sent too: the service says so. */
function take(files) {
  const found = [...files].find((file) => file.type.startsWith("image/")) ?? files[0];
  if (found) change({ ...EMPTY, file: found });
  else trouble({ ...words.problems.nothing, name: "nothing" });
}

for (const id of ["choose", "photo"]) {
  byId(id).addEventListener("change", (event) => {
    if (event.target.files.length) take(event.target.files);
    event.target.value = "";
  });
}
document.addEventListener("paste", (event) => {
  if (!event.target.closest?.("input, textarea")) take(event.clipboardData.files);
});

let within = 0;
document.addEventListener("dragenter", (event) => {
  if (!event.dataTransfer.types.includes("Files")) return;
  within += 1;
  sheet.classList.add("over");
});
document.addEventListener("dragleave", () => {
  within = Math.max(within - 1, 0);
  if (!within) sheet.classList.remove("over");
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  within = 0;
  sheet.classList.remove("over");
  take(event.dataTransfer.files);
});

for (const button of byId("examples").querySelectorAll("button")) {
  const example = `static/examples/${button.dataset.file}`;
  button.addEventListener("click", () => {
    clearTimeout(timer);
    byId("answer").classList.add("old");
    until((signal) => load(example, signal), (file) => change({ ...EMPTY, file, example }));
  });
}
