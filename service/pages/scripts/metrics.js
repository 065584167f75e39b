// The Prometheus text format, and what can be said from two readings of it.

/** Samples by name: { labels, value } each. */
export function parse(text) {
  const found = new Map();
  for (const line of text.split("\n")) {
    if (!line.trim() || line.startsWith("#")) continue;
    const [, name, inside, value] = /^([\w:]+)(?:\{(.*)\})?\s+(\S+)/.exec(line) ?? [];
    if (!name) throw new SyntaxError(`not a sample: ${line}`);
    if (!found.has(name)) found.set(name, []);
    found.get(name).push({ labels: labelsOf(inside ?? ""), value: numberOf(value) });
  }
  return found;
}

function labelsOf(inside) {
  const labels = {};
  for (const [, name, value] of inside.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
    labels[name] = value.replace(/\\(.)/g, (_, letter) => (letter === "n" ? "\n" : letter));
  return labels;
}

const numberOf = (text) => ({ "+Inf": Infinity, "-Inf": -Infinity })[text] ?? Number(text);

/** Sum of a name's samples whose labels have these values, or pass a test. */
export function sum(metrics, name, labels = {}) {
  const fits = tester(labels);
  return (metrics.get(name) ?? []).reduce((total, sample) => total + (fits(sample.labels) ? sample.value : 0), 0);
}

function tester(labels) {
  if (typeof labels === "function") return labels;
  return (found) => Object.entries(labels).every(([key, value]) => found[key] === value);
}

/** Sums of a name's samples by one label's values, as a Map. */
export function by(metrics, name, label) {
  const sums = new Map();
  for (const sample of metrics.get(name) ?? []) {
    const key = sample.labels[label] ?? "";
    sums.set(key, (sums.get(key) ?? 0) + sample.value);
  }
  return sums;
}

/** What a counter gained between two readings; after a restart all that it holds. */
export function gained(now, before, name, labels) {
  const [later, earlier] = [sum(now, name, labels), before ? sum(before, name, labels) : 0];
  return later < earlier ? later : later - earlier;
}

/** The earlier reading of a histogram; null after a restart, which its count tells. */
function earlier(now, before, name, labels) {
  return before && sum(now, `${name}_count`, labels) >= sum(before, `${name}_count`, labels) ? before : null;
}

/** Buckets [[upper bound, count], …] that a histogram gained between two readings. */
export function buckets(now, before, name, labels = {}) {
  const bounds = [...by(now, `${name}_bucket`, "le").keys()].sort((one, other) => numberOf(one) - numberOf(other));
  const fits = tester(labels);
  const since = earlier(now, before, name, labels);
  let below = 0;
  return bounds.map((le) => {
    const upTo = gained(now, since, `${name}_bucket`, (found) => found.le === le && fits(found));
    const count = Math.max(upTo - below, 0);
    below = Math.max(upTo, below);
    return [numberOf(le), count];
  });
}

/** The value below which a share of a histogram lies, by straight lines within buckets; null of an empty one. */
export function quantile(counts, share) {
  const all = counts.reduce((total, [, count]) => total + count, 0);
  if (!all) return null;
  let [below, from] = [0, 0];
  for (const [to, count] of counts) {
    if (below + count >= share * all) return to === Infinity ? from : from + ((share * all - below) / count) * (to - from);
    below += count;
    from = to;
  }
  return from;
}

/** The mean of what a histogram gained; null where it gained nothing. */
export function mean(now, before, name, labels) {
  const since = earlier(now, before, name, labels);
  const count = gained(now, since, `${name}_count`, labels);
  return count ? gained(now, since, `${name}_sum`, labels) / count : null;
}

/** Read GET /health, which is JSON whatever its status; null where it does not answer. */
export async function readHealth() {
  try {
    return await (await fetch("health", { cache: "no-store" })).json();
  } catch {
    return null;
  }
}

/** Read GET /metrics: { metrics }, or { status } of one that has none (0: it does not answer). */
export async function readMetrics() {
  try {
    const answer = await fetch("metrics", { cache: "no-store" });
    return answer.ok ? { metrics: parse(await answer.text()) } : { status: answer.status };
  } catch (error) {
    if (error instanceof SyntaxError) throw error;
    return { status: 0 };
  }
}
