// The operator's page: reads /metrics every two seconds and draws what was gained over the last five minutes.

import { columns, key, lines, rows, short } from "./charts.js";
import { byId, el, fill, nameOf, words } from "./dom.js";
import { buckets, by, gained, mean, quantile, readHealth, readMetrics, sum } from "./metrics.js";

const EVERY = 2000; // milliseconds
const KEPT = 150; // readings: five minutes
const said = words.dashboard;
const isAnswer = ({ route }) => route === "/predict" || route === "/read";
const clock = (time) => time.toLocaleTimeString("en-GB");

let readings = []; // the last ones, oldest first, none before the service was gone
let gone = null;
const past = { requests: [], half: [], most: [], nearly: [], waiting: [], flight: [] };

async function turn() {
  const [{ metrics, status }, health] = await Promise.all([readMetrics(), readHealth()]);
  const now = { metrics, health, at: new Date() };
  if (!metrics) missing(status, now.at);
  else {
    gone = null;
    if (readings.length) keep(now, readings.at(-1));
    if (readings.length && answered(now) < answered(readings.at(-1))) readings = []; // it was restarted meanwhile
    readings = [...readings, now].slice(-KEPT);
    draw(now, readings[0].metrics);
  }
  setTimeout(turn, EVERY);
}

function missing(status, at) {
  gone ??= at;
  readings = [];
  byId("tiles").hidden = status !== 0 || !past.requests.length;
  byId("tiles").classList.add("old");
  byId("live").textContent = "";
  const { title, detail } = status ? said.noMetrics : said.gone;
  tell(title, fill(detail, { status, time: clock(gone) }));
}

function tell(title, detail) {
  if (byId("trouble").textContent === title + detail) return;
  byId("trouble").replaceChildren(el("h2", {}, title), el("p", {}, detail));
}

function keep(now, before) {
  const seconds = (now.at - before.at) / 1000;
  const took = buckets(now.metrics, before.metrics, "digitvote_request_seconds", isAnswer);
  const ms = (share) => scaled(quantile(took, share));
  add("requests", gained(now.metrics, before.metrics, "digitvote_requests_total", isOwn) / seconds);
  add("half", ms(0.5));
  add("most", ms(0.95));
  add("nearly", ms(0.99));
  add("waiting", sum(now.metrics, "digitvote_queue_depth"));
  add("flight", sum(now.metrics, "digitvote_in_flight"));
}

const answered = ({ metrics }) => sum(metrics, "digitvote_requests_total");

/** Whether requests of these labels are the service's own work: not this page's readings. */
const isOwn = ({ route }) => route !== "/metrics";

const scaled = (seconds) => (seconds === null ? null : seconds * 1000);

function add(name, value) {
  past[name].push(value);
  if (past[name].length > KEPT) past[name].shift();
}

/** Draw a reading; what was gained is since the one before. */
function draw({ metrics, health, at }, before) {
  byId("trouble").replaceChildren();
  byId("tiles").hidden = false;
  byId("tiles").classList.remove("old");
  byId("live").textContent = fill(said.live, { time: clock(at) });
  const [state] = [...by(metrics, "digitvote_state", "state")].find(([, value]) => value === 1) ?? ["–"];
  put("state", el("p", { class: `big ${state}` }, words.states[state] ?? state), health?.reason && el("p", {}, health.reason), el("p", { class: "quiet" }, fill(said.answers, { count: short(sum(metrics, "digitvote_requests_total", isAnswer)) })));
  chart("requests", [[said.rate, "requests"]]);
  chart("latency", [[said.half, "half"], [said.most, "most"], [said.nearly, "nearly"]]);
  chart("queue", [[said.waiting, "waiting"], [said.flight, "flight"]]);
  const batch = mean(metrics, before, "digitvote_batch_size");
  put("batches", ...(batch === null ? list([]) : [key([[said.mean, batch]]), histogram(metrics, before)]));
  const labels = by(metrics, "digitvote_labels_total", "label");
  const digits = [..."0123456789"].map((label) => [label, labels.get(label) ?? 0]);
  const told = digits.map(([label, count]) => `${label}: ${count}`).join(", ");
  put("labels", columns(digits, `${said.labels}: ${told}`));
  put("stages", ...list(stages(metrics, before), 2));
  put("trouble", ...list(troubles(metrics)));
  put("models", models(metrics), ...versions(health));
}

function chart(tile, series) {
  const entries = series.map(([name, kept]) => [name, past[kept].at(-1) ?? null]);
  const value = entries.map(([name, now]) => `${name} ${now === null ? "–" : short(now)}`).join(", ");
  const label = fill(said.chart, { title: said[tile], minutes: (KEPT * EVERY) / 60000, value });
  put(tile, key(entries), lines(series.map(([name, kept]) => ({ name, values: past[kept] })), KEPT, label));
}

/** Batches by their size, up to the largest that there was. */
function histogram(metrics, before) {
  const all = buckets(metrics, before, "digitvote_batch_size").map(([bound, count]) => [bound === Infinity ? "+" : `${bound}`, count]);
  const counts = all.slice(0, Math.max(all.findLastIndex(([, count]) => count) + 1, 5));
  return columns(counts.length ? counts : [["", 0]], `${said.batches}: ${counts.map(([bound, count]) => `≤ ${bound}: ${count}`).join(", ")}`);
}

function stages(metrics, before) {
  const loaded = [...by(metrics, "digitvote_inference_seconds_count", "model").keys()];
  return [
    [said.decode, mean(metrics, before, "digitvote_decode_seconds")],
    [said.queued, mean(metrics, before, "digitvote_queue_seconds")],
    ...loaded.map((model) => [fill(said.inference, { model: nameOf(model) }), mean(metrics, before, "digitvote_inference_seconds", { model })]),
  ]
    .filter(([, value]) => value !== null)
    .map(([name, value]) => [name, value * 1000]);
}

function troubles(metrics) {
  const rejected = [...by(metrics, "digitvote_rejections_total", "reason")].map(([reason, count]) => [fill(said.rejected, { reason }), count]);
  const refused = [...by(metrics, "digitvote_refusals_total", "error")].map(([error, count]) => [fill(said.refused, { error }), count]);
  const all = [[said.disagreements, sum(metrics, "digitvote_disagreements_total")], ...rejected, ...refused];
  return all.filter(([, count]) => count).sort((one, other) => other[1] - one[1]).slice(0, 8);
}

const list = (entries, digits) => (entries.length ? [rows(entries, digits)] : [el("p", { class: "quiet" }, said.quiet)]);

function models(metrics) {
  const heads = [said.model, said.version, said.file];
  const order = Object.keys(words.models);
  const loaded = (metrics.get("digitvote_model_info") ?? []).filter(({ value }) => value === 1);
  loaded.sort((one, other) => order.indexOf(one.labels.model) - order.indexOf(other.labels.model));
  return el(
    "table",
    {},
    el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
    el(
      "tbody",
      {},
      loaded.map(({ labels: { model, version, sha256 } }) =>
        el(
          "tr",
          {},
          el("th", { scope: "row" }, nameOf(model)),
          el("td", {}, version),
          el("td", {}, el("code", {}, sha256.slice(0, 12))),
        ),
      ),
    ),
  );
}

/** What /health says of versions that do not simply vote: why, which takes a share, which are wanted and do not pass. */
function versions(health) {
  const all = [...(health?.models ?? []), health?.gate].filter(Boolean);
  const told = all.flatMap(({ model, reason, canary, tried = [] }) => [
    reason && fill(said.notLoaded, { model: nameOf(model), reason }),
    canary && fill(said.canary, { ...canary, model: nameOf(model), reason: canary.reason ? `: ${canary.reason}` : "" }),
    ...tried.map((each) => fill(said.tried, { ...each, model: nameOf(model), stage: words.states[each.stage] ?? each.stage })),
  ]);
  return told.filter(Boolean).map((text) => el("p", { class: "note" }, text));
}

function put(tile, ...nodes) {
  byId(`tile-${tile}`).replaceChildren(...nodes.filter(Boolean));
}

turn();
