// The attention map: pan, zoom, hover and selection. A frame copies the raster and draws one outline.
// Coordinates are level-0 pixels of the slide. A slide below the map follows its view.

const CLOSEST = 64, STEP = 1.5, PAN = 0.15, DRAG_PX = 6, SLIDE_CLOSEST = 2, FOCUS_PX = 160;

export class AttentionMap {
  /** `report` receives the patch under the pointer or the selected one, or null; `moved` is called when the user moves the view. */
  constructor(canvas, report, moved) {
    this.canvas = canvas;
    this.report = report;
    this.moved = moved;
    this.slide = null;
    this.opacity = 1;
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

  /** Shows the patches of a slide; the view is kept if only their colours changed. */
  show(layout, raster) {
    const isSame = this.layout && layout === this.layout;
    this.layout = layout;
    this.raster = raster;
    if (!isSame) {
      this.selected = null;
      this.slide = null;
      this.reset();
    } else this.draw();
  }

  /** Shows a slide below the map: {width, height, follow(centre, zoom, canvas)}; null for none. */
  showSlide(slide) {
    this.slide = slide;
    this.reset();
  }

  /** The map's opacity over a slide, 0 to 1. */
  setOpacity(opacity) {
    this.opacity = opacity;
    this.draw();
  }

  /** The part of the slide that can be shown: all of it, or without a slide that of the patches. */
  get extent() {
    const { x0, y0, width, height } = this.layout;
    return this.slide ? { left: 0, top: 0, width: this.slide.width, height: this.slide.height } : { left: x0, top: y0, width, height };
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
    const { left, top, width, height } = this.extent;
    this.fit = Math.min(this.canvas.width / width, this.canvas.height / height);
    this.setView([left + width / 2, top + height / 2], this.fit);
    this.moved(this);
  }

  /** Shows a point in the middle; `zoom` is in pixels of the canvas per level-0 pixel. */
  setView(centre, zoom) {
    this.centre = [...centre];
    this.zoom = zoom;
    this.draw();
  }

  /** Multiplies the zoom; the point at (x, y) of the canvas stays where it is. */
  zoomBy(factor, x = this.canvas.width / 2, y = this.canvas.height / 2) {
    const before = this.toSlide(x, y);
    const closest = Math.max(this.fit * CLOSEST, this.slide ? SLIDE_CLOSEST : 0);
    this.zoom = Math.min(Math.max(this.zoom * factor, this.fit), closest);
    const after = this.toSlide(x, y);
    this.pan(before[0] - after[0], before[1] - after[1]);
  }

  /** Moves the centre by level-0 pixels, but not off the slide. */
  pan(dx, dy) {
    const { left, top, width, height } = this.extent, least = [left, top], most = [left + width, top + height];
    this.setView([dx, dy].map((d, k) => Math.min(Math.max(this.centre[k] + d, least[k]), most[k])), this.zoom);
    this.moved(this);
  }

  /** Shows a patch in the middle and outlines it. */
  focus(i) {
    const { xs, ys, side } = this.layout;
    const zoom = Math.max(this.zoom, this.fit * 4, this.slide ? Math.min(FOCUS_PX / side, SLIDE_CLOSEST) : 0);
    this.setView([xs[i] + side / 2, ys[i] + side / 2], zoom);
    this.moved(this);
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
    const { cell, columns, rows, x0, y0 } = this.layout, [x, y] = this.toSlide(...this.at(event));
    const [column, row] = [Math.floor((x - x0) / cell), Math.floor((y - y0) / cell)];
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
    const at = (x, y) => [this.canvas.width / 2 + (x - this.centre[0]) * this.zoom, this.canvas.height / 2 + (y - this.centre[1]) * this.zoom];
    this.slide?.follow(this.centre, this.zoom, this.canvas);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.imageSmoothingEnabled = false;
    context.globalAlpha = this.slide ? this.opacity : 1;
    context.drawImage(this.raster.canvas, ...at(x0, y0), columns * cell * this.zoom, rows * cell * this.zoom);
    context.globalAlpha = 1;
    if (this.selected === null) return;
    const outline = [...at(xs[this.selected], ys[this.selected]), side * this.zoom, side * this.zoom];
    for (const [width, style] of [[6, "#000000"], [3, "#ffffff"]]) {
      context.lineWidth = width;
      context.strokeStyle = style;
      context.strokeRect(...outline);
    }
  }
}
