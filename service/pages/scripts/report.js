// What only a running service knows: how long each model takes for a batch, where it has metrics.

import { fill, words } from "./dom.js";
import { mean, readMetrics } from "./metrics.js";

const { metrics } = await readMetrics();
for (const cell of document.querySelectorAll("[data-speed]")) {
  const [model, version] = cell.dataset.speed.split("/");
  const seconds = metrics ? mean(metrics, null, "digitvote_inference_seconds", { model, version }) : null;
  if (seconds !== null) cell.textContent = fill(words.report.batchMs, { ms: (seconds * 1000).toPrecision(2) });
}
