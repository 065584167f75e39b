// An answer as people read it: the digit, how sure, the three votes, and what the models saw.

import { el, fill, nameOf, percent, svg, words } from "./dom.js";

const said = words.answer;

/** What to show of an answer of /predict, and a sentence of it for screen readers. */
export function prediction(answer) {
  const { label, votes, seen } = answer;
  const refused = answer.accepted ? null : words.reasons[answer.reason];
  const sure = { label, percent: percent(answer.confidence) };
  const title = refused?.title ?? fill(said.digit, answer);
  const lines = refused ? [refused.text, fill(said.guess, sure)] : [agreement(votes, label)];
  const told = refused ? null : fill(said.sure, sure);
  return {
    sentence: sentence([title, told, ...lines, ...notes(answer)]),
    node: [
      verdict(title, `${label}`, !refused, told, lines),
      ...notes(answer).map(note),
      el("h3", {}, refused ? said.forced : said.votes),
      ballots(votes, label, !refused),
      el("h3", {}, said.seen),
      el(
        "div",
        { class: "seen" },
        el("img", { src: seen.picture, alt: said.seenPicture, width: 112, height: 112 }),
        done(seen) ?? el("p", {}, said.untouched),
      ),
      cost(answer.receipt),
    ],
  };
}

/** What to show of an answer of /read; `choose(index)` is called as one of its digits is chosen. */
export function number(answer, choose) {
  const { digits } = answer;
  const refused = answer.accepted ? null : digits.length ? words.reasons.number : words.reasons.nothing;
  const title = refused?.title ?? fill(said.number, { text: answer.text.replaceAll("\n", ", ") });
  const least = digits.reduce((one, other) => (other.confidence < one.confidence ? other : one), digits[0]);
  const told = least && fill(said.least, { label: least.label, percent: percent(least.confidence) });
  const lines = [refused?.text, digits.length ? common(digits) : null].filter(Boolean);
  const detail = el("div", { class: "detail", "aria-live": "polite" });
  const buttons = digits.map((digit, index) =>
    el(
      "button",
      { class: digit.accepted ? "" : "doubt", "aria-pressed": "false", "aria-label": titleOf(answer, index), onclick: () => show(index) },
      el("img", { src: digit.picture, alt: "", width: 56, height: 56 }),
      el("b", {}, `${digit.label}`),
    ),
  );
  function show(index) {
    const { votes, label, accepted, steps } = digits[index];
    buttons.forEach((button, at) => button.setAttribute("aria-pressed", at === index));
    detail.replaceChildren(
      el("h3", {}, titleOf(answer, index)),
      ballots(votes, label, accepted),
      el("p", { class: "cost" }, fill(said.doneToDigit, { steps: steps.map((step) => words.steps[step]).join(", ") })),
    );
    choose(index);
  }
  const whole = done(answer.seen);
  const node = [
    verdict(title, answer.text, !refused, told, lines),
    ...notes(answer).map(note),
    el("h3", {}, said.digits),
    el("div", { class: "digits" }, buttons),
    detail,
    ...(whole ? [el("h3", {}, said.done), el("div", { class: "seen" }, whole)] : []),
    cost(answer.receipt),
  ];
  return { sentence: sentence([title, told, ...lines, ...notes(answer)]), node, show };
}

const sentence = (parts) => parts.filter(Boolean).join(". ").replaceAll("..", ".");

function titleOf({ digits }, index) {
  const { label, confidence, accepted } = digits[index];
  const shown = { position: index + 1, count: digits.length, label, percent: percent(confidence) };
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

/** Who agrees with the winning label, in a sentence; service/answer_page.py says the same. */
function agreement(votes, label) {
  const others = votes.filter((vote) => vote.label !== label);
  if (!others.length) return fill(said.all, { count: votes.length });
  if (others.length === votes.length) return fill(said.none, { label });
  const told = others.map((vote) => fill(said.other, { model: nameOf(vote.model), label: vote.label })).join(said.and);
  return fill(said.split, { count: votes.length - others.length, all: votes.length, label, others: told });
}

/** On which digits of a number all agree, in a sentence. */
function common(digits) {
  const others = digits.flatMap(({ agreement, label }, index) => (agreement < 1 ? [fill(said.place, { position: index + 1, label })] : []));
  if (!others.length) return fill(said.allDigits, { count: digits[0].votes.length });
  return fill(said.splitDigits, { agreed: digits.length - others.length, count: digits.length, others: others.join(said.and) });
}

/** What to know about a picture, in sentences. */
function notes({ warnings, missing, skipped = [] }) {
  const starts = Object.keys(words.warnings);
  const reasons = [...new Set(skipped.map(({ reason }) => words.skipped[reason] ?? reason))].join(", ");
  return [
    ...warnings.map((text) => words.warnings[starts.find((start) => text.startsWith(start))] ?? text),
    ...(reasons ? [fill(said.skipped, { reasons })] : []),
    ...missing.map(({ model }) => fill(said.missing, { model: nameOf(model) })),
  ];
}

const note = (text) => el("p", { class: "note" }, text);

/** The votes, a row each: who, ten bars, what; faint where the answer is not accepted. */
function ballots(all, label, accepted) {
  return el(
    "ul",
    { class: accepted ? "votes" : "votes faint" },
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

/** What was done to a picture, step by step; null where nothing was. */
function done({ polarity, steps }) {
  const all = [...(polarity === "dark on light" ? ["inverted"] : []), ...steps];
  if (!all.length || steps.includes("unchanged")) return null;
  return el("ol", {}, all.map((step) => el("li", {}, words.steps[step] ?? step)));
}

function cost(receipt) {
  return el("p", { class: "cost" }, fill(said.cost, { decode: receipt.decode_ms.toFixed(1), inference: receipt.inference_ms.toFixed(1) }));
}
