// One model and its answer for the selected file: prediction, patches, map and downloads.

import { button, copyOf, create, element, percent, sentence, signed } from "./dom.js";
import { csvOf, geojsonOf, pngOf, save } from "./downloads.js";
import { AttentionMap } from "./map.js";
import { layoutOf, rasterOf } from "./raster.js";
import { modelFacts, showPrediction } from "./result.js";
import { scaleOf, signedScaleOf } from "./scale.js";
import { slideOf } from "./server.js";
import { imageOf, isInside, patchPictureOf, SlideView } from "./slide.js";

const LISTED = 10;

const classOf = (head) => (["x", "y"].includes(head) ? "coordinate" : undefined);

export class Panel {
  /** A panel in the page: the first one, or with a suffix a copy of it, which is hidden. `moved` is called when the user moves the map. */
  constructor(suffix, moved) {
    this.at = (id) => element(id + suffix);
    if (suffix) {
      element("panels").append(copyOf(element("panel"), suffix));
      this.at("panel").hidden = true;
    }
    this.shown = null; // {name, answer} or {name, error}
    this.images = []; // ids of the slides whose pixels the server has
    this.slide = null;
    this.turn = 0; // counts the slides that were requested
    this.map = new AttentionMap(this.at("map"), (i) => this.report(i), moved);
    this.listen();
  }

  listen() {
    const { at, map } = this;
    at("log").addEventListener("change", () => this.drawMap());
    at("view").addEventListener("change", () => this.showPatches());
    at("opacity").addEventListener("input", () => map.setOpacity(at("opacity").value / 100));
    at("zoom-in").addEventListener("click", () => map.zoomBy(1.5));
    at("zoom-out").addEventListener("click", () => map.zoomBy(1 / 1.5));
    at("zoom-reset").addEventListener("click", () => map.reset());
    for (const kind of ["geojson", "csv", "png"]) at("save-" + kind).addEventListener("click", () => this.download(kind));
  }

  /** Describes the model at an address. */
  describe(address, facts) {
    this.address = address;
    this.facts = facts;
    this.at("panel-name").textContent = facts.name;
    this.at("facts").replaceChildren(...modelFacts(facts).flatMap(([term, text]) => [create("dt", term), create("dd", text)]));
  }

  /** Shows an outcome: {name, answer} or {name, error}. */
  show(outcome) {
    this.shown = outcome;
    this.at("error").hidden = !outcome.error;
    this.at("result").hidden = Boolean(outcome.error);
    if (outcome.error) {
      this.at("error-title").textContent = "No prediction for " + outcome.name;
      this.at("message").textContent = sentence(outcome.error);
      return;
    }
    this.prepare(outcome);
    showPrediction(this.at, this.facts, outcome.answer);
    this.image = null;
    this.showPatches();
    this.showSlide(outcome);
  }

  hide() {
    this.shown = null;
    this.at("error").hidden = this.at("result").hidden = true;
  }

  /** Derived data of an answer, computed once: the order of attention and of contributions, and the layout of the patches. */
  prepare(outcome) {
    const { attention, coords, contributions } = outcome.answer;
    const descending = (size) => attention.map((_, i) => i).sort((a, b) => size(b) - size(a));
    outcome.byAttention ??= descending((i) => attention[i]);
    if (contributions) outcome.byContribution ??= descending((i) => Math.abs(contributions.values[i]));
    if (coords && !outcome.layout) outcome.layout = layoutOf(coords, this.sideOf(outcome.answer));
  }

  /** Side of a patch in level-0 pixels: of the features, or of the training data if it is the same everywhere; else null. */
  sideOf(answer) {
    const range = this.facts.contract.patch_px_level0;
    return answer.patch_px_level0 || (range && range[0] === range[1] ? range[0] : null);
  }

  /** Whether contributions are shown instead of attention. */
  get isSigned() {
    return Boolean(this.shown.answer.contributions) && this.at("view").querySelector("input:checked").value === "contribution";
  }

  get order() {
    return this.isSigned ? this.shown.byContribution : this.shown.byAttention;
  }

  /** Describes a patch, or nothing. */
  report(i) {
    const { answer } = this.shown, [x, y] = i === null ? [] : answer.coords[i], parts = answer.contributions;
    const contribution = parts && i !== null ? `, contribution ${signed(parts.values[i])}` : "";
    this.at("patch").textContent = i === null ? "" : `Patch ${i} at x ${x}, y ${y}: attention ${percent(answer.attention[i])}${contribution}`;
  }

  /** The patches of the slide: their list, their pictures and their map. */
  showPatches() {
    this.listPatches();
    this.drawMap();
    this.showPictures();
  }

  listPatches() {
    const { at, order } = this, { answer } = this.shown, parts = answer.contributions;
    at("patches-title").textContent = this.isSigned ? "Patches with the largest contributions" : "Patches with the highest attention";
    const heads = [...(answer.coords ? ["Patch", "x", "y"] : ["Patch"]), "Attention", ...(parts ? ["Contribution"] : [])];
    at("head").replaceChildren(...heads.map((text) => { const cell = create("th", text, classOf(text)); cell.scope = "col"; return cell; }));
    at("rows").replaceChildren(...order.slice(0, LISTED).map((i) => {
      const row = create("tr"), coords = answer.coords ? answer.coords[i] : [], name = create("td", answer.coords ? undefined : i);
      if (answer.coords) name.append(button(String(i), () => this.map.focus(i), `Show patch ${i} on the map`));
      const texts = [percent(answer.attention[i]), ...(parts ? [signed(parts.values[i])] : [])];
      row.append(name, ...coords.map((text) => create("td", text, "coordinate")), ...texts.map((text) => create("td", text)));
      return row;
    }));
  }

  drawMap() {
    const { at, shown, order, isSigned } = this, { answer } = shown;
    at("map-card").hidden = !answer.coords;
    if (!answer.coords) return;
    const scores = isSigned ? answer.contributions.values : answer.attention;
    const scale = isSigned ? signedScaleOf(scores) : scaleOf(scores, at("log").checked);
    shown.scale = scale;
    shown.raster = rasterOf(shown.layout, scores, order.toReversed(), scale);
    at("view").hidden = !answer.contributions;
    at("ramp").className = isSigned ? "ramp signed" : "ramp";
    at("log-line").hidden = isSigned;
    this.map.show(shown.layout, shown.raster);
    at("ticks").replaceChildren(...scale.ticks.map((text) => create("span", text)));
    const uniform = percent(1 / order.length);
    at("scale").textContent = isSigned
      ? `Contribution to the ${answer.contributions.of}, mean of the members; the sum over all patches is ${signed(answer.contributions.total)}.`
      : `Share of the slide's attention per patch; uniform attention would be ${uniform} per patch.${scale.clipped}`;
  }

  // The slide below the map

  /** Shows the slide of an outcome if the server has it and its patches are inside; otherwise says why not. */
  async showSlide(outcome) {
    const { at } = this, { answer, layout } = outcome, turn = ++this.turn;
    if (this.slide) this.map.showSlide(null);
    this.slide?.close();
    this.slide = null;
    at("stage").classList.remove("with-slide");
    at("opacity-line").hidden = true;
    at("slide-note").textContent = "";
    if (!layout) return;
    try {
      const image = await this.findImage(answer.slide_id, layout);
      const slide = await SlideView.open(at("slide-view"), image, (text) => { at("slide-note").textContent = text; });
      if (turn !== this.turn) return slide.close();
      this.slide = slide;
      this.image = image;
    } catch (error) {
      if (turn === this.turn) at("slide-note").textContent = `The slide is not shown. ${sentence(error.message)}`;
      return;
    }
    at("stage").classList.add("with-slide");
    at("opacity-line").hidden = false;
    at("slide-note").textContent = describe(this.image, this.sideOf(answer));
    this.map.setOpacity(at("opacity").value / 100);
    this.map.showSlide(this.slide);
    this.showPictures();
  }

  /** The image of a slide. Throws an Error with the reason if there is none. */
  async findImage(id, layout) {
    if (!this.images.length) throw new Error("The server has no folder of slides (option --slides)");
    if (!id) throw new Error("The slide id is unknown");
    if (!this.images.includes(id)) throw new Error(`The folder of the server has no slide ${id}`);
    const image = await imageOf(id);
    if (isInside(image, layout)) return image;
    throw new Error(`Patches are outside the slide ${id} of the server, which has ${image.width} × ${image.height} pixels: the features are of another slide`);
  }

  /** Pictures of the first patches of the list, if the slide is there and the features state the size of a patch. */
  async showPictures() {
    const { at, shown, image, order } = this, side = this.sideOf(shown.answer);
    for (const picture of at("pictures").querySelectorAll("img")) URL.revokeObjectURL(picture.src);
    at("pictures").hidden = !image || !side;
    at("pictures").replaceChildren();
    if (!image || !side) return;
    at("pictures").replaceChildren(...order.slice(0, LISTED).map((i) => this.pictureOf(i, side)));
  }

  /** A list item with the picture of a patch, which shows the patch on the map. */
  pictureOf(i, side) {
    const { answer } = this.shown, [x, y] = answer.coords[i], item = create("li"), picture = create("img");
    const score = this.isSigned ? signed(answer.contributions.values[i]) : percent(answer.attention[i]);
    const action = button("", () => this.map.focus(i), `Show patch ${i} on the map: ${this.isSigned ? "contribution" : "attention"} ${score}`);
    picture.alt = "";
    action.append(picture, create("span", `${i}: ${score}`));
    item.append(action);
    patchPictureOf(this.image.slide_id, x, y, side).then(
      (address) => { picture.src = address; },
      (error) => picture.replaceWith(create("span", sentence(error.message), "missing")),
    );
    return item;
  }

  /** Downloads a file of the shown slide. */
  async download(kind) {
    const { name, answer, layout, raster, scale } = this.shown, slide = answer.slide_id || slideOf(name), parts = answer.contributions;
    const [view, title] = this.isSigned ? ["contribution", `contribution to the ${parts.of}`] : ["attention", "share of attention per patch"];
    if (kind === "png") return save(await pngOf(layout, raster, scale, `${slide}: ${title}, ${this.facts.name}`), `${slide}.${view}.png`);
    const scores = { attention: answer.attention, ...(parts && { contribution: parts.values }) };
    save({ geojson: geojsonOf, csv: csvOf }[kind](layout, scores), `${slide}.attention.${kind}`);
  }
}

/** The size of a slide and of its patches. */
function describe({ width, height, mpp }, side) {
  const pixels = `Slide of ${width.toLocaleString("en")} × ${height.toLocaleString("en")} pixels`;
  if (!mpp) return `${pixels}; its resolution is unknown.`;
  return `${pixels} of ${mpp[0].toPrecision(3)} µm${side ? `; patches of ${(side * mpp[0]).toFixed(0)} µm` : ""}.`;
}
