// The attention map: pan, zoom, hover and selection. A frame copies the raster and draws one outline.

const CLOSEST = 64, STEP = 1.5, PAN = 0.15, DRAG_PX = 6;

export class AttentionMap {
  /** `report` receives the patch under the pointer or the selected one, or null. */
  constructor(canvas, report) {
    this.canvas = canvas;
    this.report = report;
    this.pointers = new Map();
    this.selected = null;
    this.waiting = false;
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.pointers.delete(event.pointerId));
    canvas.addEventListener("pointerleave", () => this.report(this.selected));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("click", (event) => { if (this.layout && this.travelled < DRAG_PX) this.select(this.patchAt(event)); });
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  /** Shows a slide; the view is kept if only its colours changed. */
  show(layout, raster) {
    const isSame = this.layout && layout === this.layout;
    this.layout = layout;
    this.raster = raster;
    if (!isSame) {
      this.selected = null;
      this.reset();
    } else this.draw();
  }

  resize() {
    const ratio = devicePixelRatio || 1, width = Math.round(this.canvas.clientWidth * ratio), height = Math.round(this.canvas.clientHeight * ratio);
    if (!width || (width === this.canvas.width && height === this.canvas.height)) return;
    this.canvas.width = width;
    this.canvas.height = height;
    if (this.layout) this.reset();
  }

  /** The whole slide, centred. */
  reset() {
    const { width, height } = this.layout;
    this.fit = Math.min(this.canvas.width / width, this.canvas.height / height);
    this.zoom = this.fit;
    this.centre = [width / 2, height / 2];
    this.draw();
  }

  /** Multiplies the zoom; the point at (x, y) of the canvas stays where it is. */
  zoomBy(factor, x = this.canvas.width / 2, y = this.canvas.height / 2) {
    const before = this.toSlide(x, y);
    this.zoom = Math.min(Math.max(this.zoom * factor, this.fit), this.fit * CLOSEST);
    const after = this.toSlide(x, y);
    this.pan(before[0] - after[0], before[1] - after[1]);
  }

  /** Moves the centre by level-0 pixels, but not off the slide. */
  pan(dx, dy) {
    const limits = [this.layout.width, this.layout.height];
    this.centre = [dx, dy].map((d, k) => Math.min(Math.max(this.centre[k] + d, 0), limits[k]));
    this.draw();
  }

  /** Shows a patch in the middle and outlines it. */
  focus(i) {
    const { xs, ys, x0, y0, side } = this.layout;
    this.zoom = Math.max(this.zoom, this.fit * 4);
    this.centre = [xs[i] - x0 + side / 2, ys[i] - y0 + side / 2];
    this.select(i);
  }

  select(i) {
    this.selected = i;
    this.report(i);
    this.draw();
  }

  toSlide(x, y) {
    return [this.centre[0] + (x - this.canvas.width / 2) / this.zoom, this.centre[1] + (y - this.canvas.height / 2) / this.zoom];
  }

  /** Position of a pointer in pixels of the canvas. */
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * this.canvas.width / box.width, (event.clientY - box.top) * this.canvas.height / box.height];
  }

  /** The patch under the pointer, or null. */
  patchAt(event) {
    const { cell, columns, rows } = this.layout;
    const [column, row] = this.toSlide(...this.at(event)).map((v) => Math.floor(v / cell));
    const i = column >= 0 && column < columns && row >= 0 && row < rows ? this.raster.owner[row * columns + column] : -1;
    return i < 0 ? null : i;
  }

  press(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.at(event));
    this.travelled = 0;
  }

  move(event) {
    if (!this.layout) return;
    const last = this.pointers.get(event.pointerId), now = this.at(event);
    if (!last) return this.report(this.patchAt(event) ?? this.selected);
    this.pointers.set(event.pointerId, now);
    this.travelled += Math.hypot(now[0] - last[0], now[1] - last[1]);
    if (this.pointers.size === 1) return this.pan((last[0] - now[0]) / this.zoom, (last[1] - now[1]) / this.zoom);
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
    const distance = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]);
    this.zoomBy(distance(now) / Math.max(distance(last), 1), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  }

  /** Zooms if the map has the focus or Ctrl is held; otherwise the page scrolls. */
  wheel(event) {
    if (!this.layout || (document.activeElement !== this.canvas && !event.ctrlKey)) return;
    event.preventDefault();
    this.zoomBy(2 ** (-event.deltaY / 300), ...this.at(event));
  }

  key(event) {
    const step = PAN * this.canvas.width / this.zoom;
    const actions = {
      ArrowLeft: () => this.pan(-step, 0), ArrowRight: () => this.pan(step, 0), ArrowUp: () => this.pan(0, -step), ArrowDown: () => this.pan(0, step),
      "+": () => this.zoomBy(STEP), "=": () => this.zoomBy(STEP), "-": () => this.zoomBy(1 / STEP), 0: () => this.reset(),
    };
    if (!this.layout || !actions[event.key] || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    actions[event.key]();
  }

  /** Draws with the next frame. */
  draw() {
    if (this.waiting || !this.canvas.width) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.frame(); });
  }

  frame() {
    const context = this.canvas.getContext("2d"), { cell, columns, rows, xs, ys, x0, y0, side } = this.layout;
    const [left, top] = [0, 1].map((k) => [this.canvas.width, this.canvas.height][k] / 2 - this.centre[k] * this.zoom);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.raster.canvas, left, top, columns * cell * this.zoom, rows * cell * this.zoom);
    if (this.selected === null) return;
    const outline = [left + (xs[this.selected] - x0) * this.zoom, top + (ys[this.selected] - y0) * this.zoom, side * this.zoom, side * this.zoom];
    for (const [width, style] of [[6, "#000000"], [3, "#ffffff"]]) {
      context.lineWidth = width;
      context.strokeStyle = style;
      context.strokeRect(...outline);
    }
  }
}
