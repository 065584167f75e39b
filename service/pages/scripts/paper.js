// Paper to draw on with mouse, finger, pen or keys. Strokes are lists of [x, y, width], where the paper's short side is 300.

const SIDE = 300;
const WIDTH = 0.08 * SIDE; // of a stroke: MNIST's own are about as thick
const STEP = 10; // of the pen that keys move
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Paper {
  strokes = [];
  #canvas;
  #began;
  #ended;
  #scale = 1;
  #stroke = null; // the one that is being drawn
  #pointer = null;
  #pen = null; // [x, y] of the pen that keys move
  #held = new Set();
  #due = 0;

  /** @param began called as a stroke begins; ended with the stroke once the pen is lifted. */
  constructor(canvas, began, ended) {
    this.#canvas = canvas;
    this.#began = began;
    this.#ended = ended;
    new ResizeObserver(() => this.#resize()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    canvas.addEventListener("pointercancel", (event) => this.#up(event));
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("keyup", (event) => this.#held.delete(event.key));
    canvas.addEventListener("focus", () => this.draw());
    canvas.addEventListener("blur", () => this.#leave());
  }

  /** Width and height, in the strokes' units. */
  get size() {
    const { clientWidth, clientHeight } = this.#canvas;
    return [clientWidth, clientHeight].map((length) => Math.round(length / this.#scale));
  }

  /** The drawing as a PNG, black on white. */
  png() {
    const sheet = document.createElement("canvas");
    [sheet.width, sheet.height] = this.size;
    const pen = sheet.getContext("2d");
    pen.fillStyle = "white";
    pen.fillRect(0, 0, sheet.width, sheet.height);
    pen.strokeStyle = pen.fillStyle = "black";
    for (const stroke of this.strokes) trace(pen, stroke);
    return new Promise((resolve) => sheet.toBlob(resolve, "image/png"));
  }

  /** Give up the stroke that is being drawn; whether there was one. */
  cancel() {
    const drawing = this.#stroke !== null;
    this.#stroke = this.#pointer = null;
    this.draw();
    return drawing;
  }

  /** Draw what there is, on the next frame. */
  draw() {
    cancelAnimationFrame(this.#due);
    this.#due = requestAnimationFrame(() => this.#paint());
  }

  #paint() {
    const pen = this.#canvas.getContext("2d");
    const factor = this.#scale * devicePixelRatio;
    pen.setTransform(factor, 0, 0, factor, 0, 0);
    pen.clearRect(0, 0, ...this.size.map((length) => length + 1));
    const style = getComputedStyle(this.#canvas);
    pen.strokeStyle = pen.fillStyle = style.color;
    for (const stroke of this.strokes) trace(pen, stroke);
    if (this.#stroke) trace(pen, this.#stroke);
    if (this.#pen && this.#canvas.matches(":focus-visible")) ring(pen, this.#pen, style.outlineColor);
  }

  #resize() {
    const { clientWidth, clientHeight } = this.#canvas;
    this.#scale = Math.min(clientWidth, clientHeight) / SIDE || 1;
    this.#canvas.width = Math.round(clientWidth * devicePixelRatio);
    this.#canvas.height = Math.round(clientHeight * devicePixelRatio);
    this.#paint();
  }

  #begin(point) {
    this.#stroke = [point];
    this.#began();
    this.draw();
  }

  #end() {
    const stroke = this.#stroke;
    this.#stroke = null;
    if (stroke) this.#ended(stroke);
  }

  #point(event) {
    const box = this.#canvas.getBoundingClientRect();
    const pressed = event.pointerType === "pen" && event.pressure > 0 ? 0.5 + event.pressure : 1;
    return [(event.clientX - box.left) / this.#scale, (event.clientY - box.top) / this.#scale, WIDTH * pressed];
  }

  #down(event) {
    if (this.#pointer !== null || event.button !== 0) return;
    this.#end(); // of the keys' pen, if it is down
    this.#pointer = event.pointerId;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#begin(this.#point(event));
  }

  #move(event) {
    if (event.pointerId !== this.#pointer) return;
    const passed = event.getCoalescedEvents?.() ?? [];
    for (const each of passed.length ? passed : [event]) this.#stroke.push(this.#point(each));
    this.draw();
  }

  #up(event) {
    if (event.pointerId !== this.#pointer) return;
    this.#pointer = null;
    this.#end();
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || this.#pointer !== null) return;
    this.#pen ??= this.size.map((length) => length / 2);
    if (event.key === " ") {
      if (this.#stroke) this.#end();
      else if (!event.repeat) this.#begin([...this.#pen, WIDTH]);
    } else if (event.key in ARROWS) {
      this.#held.add(event.key);
      for (const key of this.#held) this.#step(ARROWS[key]);
      this.#stroke?.push([...this.#pen, WIDTH]);
    } else return;
    event.preventDefault();
    this.draw();
  }

  #step(direction) {
    const most = this.size;
    this.#pen = this.#pen.map((at, axis) => Math.min(Math.max(at + STEP * direction[axis], 0), most[axis]));
  }

  #leave() {
    this.#held.clear();
    if (this.#pointer === null) this.#end();
    this.draw();
  }
}

function trace(pen, stroke) {
  pen.lineCap = pen.lineJoin = "round";
  if (stroke.length === 1) {
    const [x, y, width] = stroke[0];
    pen.beginPath();
    pen.arc(x, y, width / 2, 0, 2 * Math.PI);
    pen.fill();
    return;
  }
  let [fromX, fromY] = stroke[0];
  stroke.forEach(([x, y, width], index) => {
    const next = stroke[index + 1];
    const [toX, toY] = next ? [(x + next[0]) / 2, (y + next[1]) / 2] : [x, y];
    pen.beginPath();
    pen.lineWidth = width;
    pen.moveTo(fromX, fromY);
    pen.quadraticCurveTo(x, y, toX, toY);
    pen.stroke();
    [fromX, fromY] = [toX, toY];
  });
}

function ring(pen, [x, y], colour) {
  pen.beginPath();
  pen.strokeStyle = colour;
  pen.lineWidth = 2;
  pen.arc(x, y, WIDTH / 2, 0, 2 * Math.PI);
  pen.stroke();
}
