// An answer as people read it: the digit, how sure, the three votes, and what the models saw.

import { el, fill, percent, svg, words } from "./dom.js";

const said = words.answer;
const nameOf = (model) => words.models[model]?.name ?? model;

/** What to show of an answer of /predict, and a sentence of it for screen readers. */
export function prediction(answer) {
  const refused = answer.accepted ? null : words.reasons[answer.reason];
  const sure = fill(said.sure, { percent: percent(answer.confidence) });
  const title = refused?.title ?? fill(said.digit, answer);
  const guess = fill(said.guess, { label: answer.label, percent: percent(answer.confidence) });
  const lines = refused ? [refused.text, guess] : [agreement(answer.votes, answer.label)];
  return {
    sentence: [title, ...(refused ? [] : [sure]), ...lines, ...answer.warnings].join(". ").replaceAll("..", "."),
    node: [
      verdict(title, `${answer.label}`, answer.accepted, refused ? null : sure, lines),
      ...notes(answer),
      el("h3", {}, said.votes),
      votes(answer.votes, answer.label),
      el("h3", {}, said.seen),
      seen(answer.seen),
      cost(answer.receipt),
    ],
  };
}

/** What to show of an answer of /read; `choose(index)` is called as one of its digits is chosen. */
export function number(answer, choose) {
  const refused = answer.accepted ? null : answer.digits.length ? words.reasons.number : words.reasons.nothing;
  const title = refused?.title ?? fill(said.number, { text: answer.text.replaceAll("\n", ", ") });
  const lines = refused ? [refused.text] : [];
  const detail = el("div", { class: "detail", "aria-live": "polite" });
  const buttons = answer.digits.map((digit, index) =>
    el(
      "button",
      { class: digit.accepted ? "" : "doubt", "aria-pressed": "false", "aria-label": titleOf(answer, index), onclick: () => show(index) },
      el("img", { src: digit.picture, alt: "", width: 56, height: 56 }),
      el("b", {}, `${digit.label}`),
    ),
  );
  function show(index) {
    buttons.forEach((button, at) => button.setAttribute("aria-pressed", at === index));
    const digit = answer.digits[index];
    detail.replaceChildren(el("h3", {}, titleOf(answer, index)), votes(digit.votes, digit.label));
    choose(index);
  }
  const left = answer.skipped.map((each) => each.reason).join(", ");
  const node = [
    verdict(title, answer.text, answer.accepted, null, lines),
    ...notes(answer),
    el("h3", {}, said.digits),
    el("div", { class: "digits" }, buttons),
    detail,
    left && el("p", { class: "note" }, `${said.skipped}: ${left}`),
    cost(answer.receipt),
  ];
  return { sentence: [title, ...lines, ...answer.warnings].join(". "), node, show };
}

function titleOf(answer, index) {
  const { label, confidence, accepted } = answer.digits[index];
  const shown = { position: index + 1, count: answer.digits.length, label, percent: percent(confidence) };
  return fill(said.seenOf, shown) + (accepted ? "" : `, ${said.doubtful}`);
}

function verdict(title, shown, accepted, sure, lines) {
  const digits = shown.replaceAll("\n", " ");
  return el(
    "div",
    { class: `verdict${accepted ? "" : " doubtful"}` },
    el("p", { class: `digit${digits.length > 1 ? " long" : ""}`, "aria-hidden": "true" }, digits),
    el("div", {}, el("h3", {}, title), sure && el("p", { class: "sure" }, sure), lines.map((line) => el("p", {}, line))),
  );
}

/** Who agrees with the winning label, in a sentence. */
function agreement(votes, label) {
  const others = votes.filter((vote) => vote.label !== label);
  if (!others.length) return fill(said.all, { count: votes.length });
  if (others.length === votes.length) return fill(said.none, { label });
  const told = others.map((vote) => fill(said.other, { model: nameOf(vote.model), label: vote.label })).join(said.and);
  return fill(said.split, { count: votes.length - others.length, all: votes.length, label, others: told });
}

function notes(answer) {
  const missing = answer.missing.map((vote) => fill(said.missing, { model: nameOf(vote.model), reason: vote.reason }));
  return [...answer.warnings, ...missing].map((text) => el("p", { class: "note" }, text));
}

/** The votes, a row each: who, ten bars, what. */
function votes(all, label) {
  return el(
    "ul",
    { class: "votes" },
    all.map((vote) =>
      el(
        "li",
        { class: vote.label === label ? "vote" : "vote other" },
        el("div", { class: "who" }, el("strong", {}, nameOf(vote.model)), el("small", {}, words.models[vote.model]?.about ?? "")),
        bars(vote),
        el("div", { class: "said" }, el("b", {}, `${vote.label}`), el("small", {}, percent(vote.confidence))),
      ),
    ),
  );
}

function bars(vote) {
  const ranked = vote.probabilities.map((probability, label) => [probability, label]).sort((one, other) => other[0] - one[0]);
  const told =
    fill(said.vote, { model: nameOf(vote.model), label: vote.label, percent: percent(vote.confidence) }) +
    fill(said.next, { label: ranked[1][1], percent: percent(ranked[1][0]) });
  return svg(
    "svg",
    { class: "bars", viewBox: "0 0 120 46", role: "img", "aria-label": told },
    vote.probabilities.map((probability, label) => {
      const height = Math.max(probability * 32, 0.8);
      const x = label * 12 + 1;
      return svg(
        "g",
        label === vote.label ? { class: "won" } : {},
        svg("rect", { class: "track", x, y: 2, width: 10, height: 32, rx: 2 }),
        svg("rect", { class: "bar", x, y: 34 - height, width: 10, height, rx: 2 }),
        svg("text", { x: x + 5, y: 44 }, `${label}`),
      );
    }),
  );
}

function seen(look) {
  const done = [...(look.polarity === "dark on light" ? ["inverted"] : []), ...look.steps];
  const steps = done.map((step) => el("li", {}, words.steps[step] ?? step));
  return el(
    "div",
    { class: "seen" },
    el("img", { src: look.picture, alt: said.seenPicture, width: 112, height: 112 }),
    look.steps.includes("unchanged") ? el("p", {}, said.untouched) : el("ol", {}, steps),
  );
}

function cost(receipt) {
  const shown = { decode: receipt.decode_ms.toFixed(1), inference: receipt.inference_ms.toFixed(1), batch: receipt.batch_size };
  return el("p", { class: "cost" }, fill(said.cost, shown));
}
