// Asking the service about a picture: the newest question counts, a busy service is asked again, and one that is gone too.

import { fill, words } from "./dom.js";

const LONGEST = 10; // seconds between two tries
const SHAPES = "several shapes"; // how the warning begins that others stand beside the digit that was read

/** What went wrong, in words. */
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
 * Ask about a picture until there is an answer, and drop what was asked before.
 *
 * @param picture a File
 * @param most bytes that the service takes
 * @param tell functions: `answer(kind, answer)`, `problem(problem)`, `waiting(problem, seconds)`
 */
export async function ask(picture, most, tell) {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    try {
      const found = await read(picture, most, signal);
      if (!signal.aborted) tell.answer(...found);
      return;
    } catch (problem) {
      if (signal.aborted) return;
      if (!(problem instanceof Problem)) throw problem;
      if (problem.wait === null) return void tell.problem(problem);
      const seconds = Math.min(Math.max(problem.wait, 2 ** attempt / 2), LONGEST);
      tell.waiting(problem, seconds);
      await pause(seconds, signal);
    }
  }
}

/** One digit where there is one, else a number where there is one: ["predict" or "read", the answer]. */
async function read(picture, most, signal) {
  if (picture.size > most) {
    const { title, detail } = words.problems.large;
    throw new Problem({ title, detail: fill(detail, { most: `${+(most / 2 ** 20).toPrecision(3)} MB` }) });
  }
  const one = await post("predict", picture, signal);
  const several = one.warnings.some((warning) => warning.startsWith(SHAPES));
  if (one.accepted && !several) return ["predict", one];
  try {
    const number = await post("read", picture, signal);
    const better = number.accepted || one.reason === "more than one digit";
    if (better && number.digits.length > 1) return ["read", number];
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.wait !== null) throw problem;
  }
  return ["predict", one];
}

async function post(route, picture, signal) {
  const body = new FormData();
  body.append("file", picture, picture.name);
  let answer;
  try {
    answer = await fetch(`${route}?explain=true`, { method: "POST", body, signal });
  } catch {
    throw new Problem({ ...words.problems.gone, name: "gone", wait: 1 });
  }
  const found = await answer.json().catch(() => null);
  if (answer.ok && found) return found;
  const wait = answer.status === 503 ? Number(answer.headers.get("Retry-After")) || 1 : null;
  const name = found?.type?.split(":").at(-1);
  if (found?.title) throw new Problem({ ...found, ...words.problems[name], name, wait }); // its own words are for programs
  const { title, detail } = words.problems.unknown;
  const between = [502, 503, 504].includes(answer.status); // a proxy's own word that nobody is behind it
  throw new Problem({ title, detail: fill(detail, { status: answer.status }), wait: between ? wait ?? 1 : null });
}

function pause(seconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
