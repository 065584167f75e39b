// Was it right? What a person says of the answer that stands there; loaded only where the service takes feedback.

import { feed } from "./ask.js";
import { byId, fill, words } from "./dom.js";

const said = words.right;
const [box, question, no, digits, status] = ["right", "right-question", "right-no", "right-digits", "right-said"].map(byId);
let about = null; // { request_id, index, label } of the answer that stands there

/** home.js tells of each answer that is shown, or of null where none is any more. */
document.addEventListener("answered", ({ detail }) => {
  about = detail;
  box.hidden = !about;
  status.textContent = "";
  open(false);
  if (about) question.textContent = fill(said.question, about);
});

byId("right-yes").addEventListener("click", () => send(about.label));
no.addEventListener("click", () => open(digits.hidden));
for (const button of digits.querySelectorAll("button")) {
  button.addEventListener("click", () => send(Number(button.dataset.label)));
}

function open(shown) {
  digits.hidden = !shown;
  for (const button of digits.querySelectorAll("button")) button.hidden = Number(button.dataset.label) === about?.label;
  no.setAttribute("aria-expanded", `${shown}`);
}

async function send(label) {
  const { request_id, index } = about;
  const asked = about;
  const problem = await feed({ request_id, index, label }).then(() => null, (failed) => failed);
  if (asked !== about) return;
  if (!digits.hidden) no.focus(); // else the keyboard would be nowhere
  open(false);
  status.textContent = problem ? fill(said.failed, problem) : fill(said.thanks, { label });
}
