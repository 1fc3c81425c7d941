// The page: sends files to the server, and shows the prediction and the attention of one of them.

import { create, element, percent, sentence, signed } from "./dom.js";
import { csvOf, geojsonOf, pngOf, save } from "./downloads.js";
import { AttentionMap } from "./map.js";
import { layoutOf, rasterOf } from "./raster.js";
import { modelFacts, showPrediction, summaryOf } from "./result.js";
import { scaleOf, signedScaleOf } from "./scale.js";
import { ask, predictionOf, slideOf, useKey } from "./server.js";

const LISTED = 10;
const results = []; // {name, status, answer} or {name, status, error}, in order of arrival
let facts = null, shown = null;

async function describeModel() {
  facts = await ask("model");
  element("name").textContent = facts.name;
  document.title = facts.name + " · OceanPath";
  element("facts").replaceChildren(...modelFacts(facts).flatMap(([term, text]) => [create("dt", term), create("dd", text)]));
}

// The map

const map = new AttentionMap(element("map"), (i) => {
  const { answer } = shown, [x, y] = i === null ? [] : answer.coords[i], parts = answer.contributions;
  const contribution = parts && i !== null ? `, contribution ${signed(parts.values[i])}` : "";
  element("patch").textContent = i === null ? "" : `Patch ${i} at x ${x}, y ${y}: attention ${percent(answer.attention[i])}${contribution}`;
});

/** Whether contributions are shown instead of attention. */
const isSigned = ({ answer }) => Boolean(answer.contributions) && document.querySelector("#view input:checked").value === "contribution";

/** Derived data of an answer, computed once: the order of attention and of contributions, and the layout of the patches. */
function prepare(result) {
  const { attention, coords, contributions } = result.answer;
  const descending = (size) => attention.map((_, i) => i).sort((a, b) => size(b) - size(a));
  result.byAttention ??= descending((i) => attention[i]);
  if (contributions) result.byContribution ??= descending((i) => Math.abs(contributions.values[i]));
  if (coords && !result.layout) result.layout = layoutOf(coords, sideOf(result.answer));
}

/** Side of a patch in level-0 pixels: of the features, or of the training data if it is the same everywhere; else null. */
function sideOf(answer) {
  const range = facts.contract.patch_px_level0;
  return answer.patch_px_level0 || (range && range[0] === range[1] ? range[0] : null);
}

function drawMap(result) {
  const { answer } = result, signs = isSigned(result), order = orderOf(result);
  element("map-card").hidden = !answer.coords;
  if (!answer.coords) return;
  const scores = signs ? answer.contributions.values : answer.attention;
  const scale = signs ? signedScaleOf(scores) : scaleOf(scores, element("log").checked);
  result.scale = scale;
  result.raster = rasterOf(result.layout, scores, order.toReversed(), scale);
  element("view").hidden = !answer.contributions;
  element("ramp").className = signs ? "ramp signed" : "ramp";
  element("log-line").hidden = signs;
  map.show(result.layout, result.raster);
  element("ticks").replaceChildren(...scale.ticks.map((text) => create("span", text)));
  const uniform = percent(1 / order.length);
  element("scale").textContent = signs
    ? `Contribution to the ${answer.contributions.of}, mean of the members; the sum over all patches is ${signed(answer.contributions.total)}.`
    : `Share of the slide's attention per patch; uniform attention would be ${uniform} per patch.${scale.clipped}`;
}

const orderOf = (result) => (isSigned(result) ? result.byContribution : result.byAttention);

const classOf = (head) => (["x", "y"].includes(head) ? "coordinate" : undefined);

function listPatches(result) {
  const { answer } = result, order = orderOf(result), parts = answer.contributions;
  element("patches-title").textContent = isSigned(result) ? "Patches with the largest contributions" : "Patches with the highest attention";
  const heads = [...(answer.coords ? ["Patch", "x", "y"] : ["Patch"]), "Attention", ...(parts ? ["Contribution"] : [])];
  element("head").replaceChildren(...heads.map((text) => { const cell = create("th", text, classOf(text)); cell.scope = "col"; return cell; }));
  element("rows").replaceChildren(...order.slice(0, LISTED).map((i) => {
    const row = create("tr"), coords = answer.coords ? answer.coords[i] : [], name = create("td", answer.coords ? undefined : i);
    if (answer.coords) name.append(button(String(i), () => map.focus(i), `Show patch ${i} on the map`));
    const texts = [percent(answer.attention[i]), ...(parts ? [signed(parts.values[i])] : [])];
    row.append(name, ...coords.map((text) => create("td", text, "coordinate")), ...texts.map((text) => create("td", text)));
    return row;
  }));
}

function button(text, action, label) {
  const node = create("button", text, "link");
  node.type = "button";
  if (label) node.setAttribute("aria-label", label);
  node.addEventListener("click", action);
  return node;
}

// The list of files

/** Shown if there are several files; the selected one is highlighted. */
function listFiles() {
  element("files-card").hidden = results.length < 2;
  element("files").replaceChildren(...results.map((result) => {
    const row = create("tr", undefined, (result === shown ? "shown " : "") + (result.error ? "failed" : ""));
    const name = create("td"), answer = result.answer;
    name.append(button(result.name, () => select(result)));
    row.append(name, create("td", answer ? answer.n_patches.toLocaleString("en") : ""), create("td", answer ? summaryOf(facts, answer) : "failed"));
    return row;
  }));
}

function select(result) {
  shown = result;
  element("error").hidden = !result.error;
  element("result").hidden = Boolean(result.error);
  element("status").textContent = result.status;
  if (result.error) {
    element("error-title").textContent = "No prediction for " + result.name;
    element("message").textContent = sentence(result.error);
  } else {
    prepare(result);
    showPrediction(facts, result.answer);
    showPatches();
  }
  listFiles();
}

/** The patches of the selected slide: their list and their map. */
function showPatches() {
  listPatches(shown);
  drawMap(shown);
}

// Requests

/** Predicts a File, or {name} of a slide in the server's folder. */
async function predict(source) {
  const { name, size } = source;
  element("status").textContent = `Predicting ${name}${size ? ` (${(size / 1048576).toFixed(1)} MiB)` : ""} …`;
  const start = performance.now(), result = { name, status: "" };
  try {
    result.answer = await predictionOf(source);
    result.status = `${name}: ${result.answer.n_patches.toLocaleString("en")} patches in ${((performance.now() - start) / 1000).toFixed(2)} s`;
  } catch (error) {
    result.error = error.name === "NotFoundError" ? "The file cannot be read. Folders are not accepted; drop the files they contain." : error.message;
  }
  results.push(result);
  select(result);
}

/** Describes the model, or asks for a key if the server needs one. */
async function begin() {
  try {
    await describeModel();
    element("key-form").hidden = true;
    const { slides } = await ask("slides");
    element("slide-form").hidden = !slides.length;
    element("slides").replaceChildren(...slides.map((id) => { const option = create("option"); option.value = id; return option; }));
  } catch (error) {
    element("key-form").hidden = error.status !== 401;
    element("name").textContent = error.status === 401 ? "This server needs a key" : "The server does not respond";
  }
}

let queue = begin();
function enqueue(sources) {
  for (const source of sources) queue = queue.then(() => predict(source));
}

/** Downloads a file of the shown slide. */
async function download(kind) {
  const { name, answer, layout, raster, scale } = shown, slide = answer.slide_id || slideOf(name), parts = answer.contributions;
  const [view, title] = isSigned(shown) ? ["contribution", `contribution to the ${parts.of}`] : ["attention", "share of attention per patch"];
  if (kind === "png") return save(await pngOf(layout, raster, scale, `${slide}: ${title}, ${facts.name}`), `${slide}.${view}.png`);
  const scores = { attention: answer.attention, ...(parts && { contribution: parts.values }) };
  save({ geojson: geojsonOf, csv: csvOf }[kind](layout, scores), `${slide}.attention.${kind}`);
}

element("key-form").addEventListener("submit", (event) => { event.preventDefault(); useKey(element("key").value); begin(); });
element("slide-form").addEventListener("submit", (event) => { event.preventDefault(); enqueue([{ name: element("slide").value }]); });
element("log").addEventListener("change", () => drawMap(shown));
element("view").addEventListener("change", showPatches);
element("zoom-in").addEventListener("click", () => map.zoomBy(1.5));
element("zoom-out").addEventListener("click", () => map.zoomBy(1 / 1.5));
element("zoom-reset").addEventListener("click", () => map.reset());
for (const kind of ["geojson", "csv", "png"]) element("save-" + kind).addEventListener("click", () => download(kind));
element("file").addEventListener("change", (event) => { enqueue([...event.target.files]); event.target.value = ""; });
for (const name of ["dragenter", "dragover"]) addEventListener(name, (event) => { event.preventDefault(); element("drop").classList.add("over"); });
for (const name of ["dragleave", "drop"]) addEventListener(name, (event) => { event.preventDefault(); element("drop").classList.remove("over"); });
addEventListener("drop", (event) => enqueue([...event.dataTransfer.files]));
element("curl").textContent = `curl --data-binary @slide.h5 ${location.origin}/predict`;
