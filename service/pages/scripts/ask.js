// Asking the service: the newest question counts, a busy service is asked again, and one that is gone too.

import { fill, words } from "./dom.js";

const LONGEST = 10; // seconds between two tries
const SHAPES = "several shapes"; // how the warning begins that others stand beside the digit that was read

/** What went wrong, in words; `wait` is in how many seconds to ask again, null where that does not help. */
export class Problem extends Error {
  constructor({ title, detail, name = "", wait = null }) {
    super(detail);
    Object.assign(this, { title, detail, name, wait });
  }
}

let running = new AbortController();

/** Drop the question that is being asked, if there is one. */
export function drop() {
  running.abort();
}

/**
 * Ask until there is an answer, and drop what was asked before.
 *
 * @param question function of an AbortSignal; throws a Problem
 * @param tell functions: `answer(answer)`, `problem(problem)`, `waiting(problem, seconds)`
 */
export async function ask(question, tell) {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    try {
      const answer = await question(signal);
      if (!signal.aborted) tell.answer(answer);
      return;
    } catch (problem) {
      if (signal.aborted) return;
      if (!(problem instanceof Problem)) throw problem;
      if (problem.wait === null) return void tell.problem(problem);
      const seconds = Math.min(Math.max(problem.wait, 2 ** attempt / 2), Math.max(problem.wait, LONGEST));
      tell.waiting(problem, seconds);
      await pause(seconds, signal);
    }
  }
}

/**
 * One digit where there is one, else a number where there is one.
 *
 * @param most bytes that the service takes
 * @returns { route, answer, asked }: the route whose answer it is, and all that were asked
 */
export async function read(picture, most, signal) {
  if (picture.size > most) {
    const { title, detail } = words.problems.large;
    throw new Problem({ title, detail: fill(detail, { most: `${+(most / 2 ** 20).toPrecision(3)} MB` }) });
  }
  const one = await post("predict", picture, signal);
  const several = one.warnings.some((warning) => warning.startsWith(SHAPES));
  if (one.accepted && !several) return { route: "predict", answer: one, asked: ["predict"] };
  const asked = ["predict", "read"];
  try {
    const number = await post("read", picture, signal);
    const better = number.accepted || one.reason === "more than one digit";
    if (better && number.digits.length > 1) return { route: "read", answer: number, asked };
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.wait !== null) throw problem;
  }
  return { route: "predict", answer: one, asked };
}

/** A file of the service's own, as a File. */
export async function load(path, signal) {
  const answer = await fetched(path, { signal });
  if (!answer.ok) {
    const problem = await problemOf(answer);
    throw problem.wait === null ? new Problem({ ...words.problems.example, name: "example" }) : problem;
  }
  const content = await answer.blob().catch(gone);
  return new File([content], path.split("/").at(-1), { type: content.type });
}

async function post(route, picture, signal) {
  const body = new FormData();
  body.append("file", picture, picture.name);
  const answer = await fetched(`${route}?explain=true`, { method: "POST", body, signal });
  if (!answer.ok) throw await problemOf(answer);
  return answer.json().catch((error) => (error instanceof SyntaxError ? unknown(answer.status) : gone()));
}

/** Say what an answer should have been: { request_id, index, label }. */
export async function feed(given) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetched("feedback", { method: "POST", headers, body: JSON.stringify(given) });
  if (!answer.ok) throw await problemOf(answer);
}

const fetched = (path, options) => fetch(path, options).catch(gone);

function gone() {
  throw new Problem({ ...words.problems.gone, name: "gone", wait: 1 });
}

function unknown(status) {
  const { title, detail } = words.problems.unknown;
  throw new Problem({ title, detail: fill(detail, { status }), name: "unknown" });
}

/** What an answer that is none says: in this page's words for its name, else in its own. */
async function problemOf(answer) {
  const { status } = answer;
  const found = await answer.json().catch(() => null);
  const name = found?.type?.split(":").at(-1) ?? `${status}`;
  const { title, detail } = words.errors[name] ?? (found?.title ? found : words.problems.unknown);
  // Of a proxy, 502 to 504 say that nobody is behind it.
  const again = status === 429 || status === 503 || (!found && (status === 502 || status === 504));
  const wait = again ? Number(answer.headers.get("Retry-After")) || 1 : null;
  return new Problem({ title, detail: fill(detail, { status }), name, wait });
}

function pause(seconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
