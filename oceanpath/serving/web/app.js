"use strict";

const element = (id) => document.getElementById(id);
const create = (tag, text, className) => {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  return node;
};
const percent = (p) => (p >= 0.001 || p === 0 ? (100 * p).toFixed(1) : (100 * p).toPrecision(2)) + "\u00a0%";
const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (text.endsWith(".") ? "" : ".");
const minimum = (values) => values.reduce((a, b) => Math.min(a, b));
const maximum = (values) => values.reduce((a, b) => Math.max(a, b));

let classes = [];
const results = []; // {name, status, answer} or {name, status, error}, in order of arrival
let shown = null;

// The model

async function describeModel() {
  const facts = await (await fetch("model")).json();
  classes = facts.classes;
  element("name").textContent = facts.name;
  document.title = facts.name + " · OceanPath";
  for (const [term, text] of modelFacts(facts)) element("facts").append(create("dt", term), create("dd", text));
}

function modelFacts(facts) {
  const auroc = facts.performance.patient.auroc, contract = facts.contract;
  const interval = auroc && auroc.low !== null ? ` (95 % interval ${auroc.low.toFixed(3)} to ${auroc.high.toFixed(3)})` : "";
  const selected = facts.performance.selected ? ", selected" : "";
  return [
    ["Classes", classes.join(", ")],
    ["Input", `Features [N, ${contract.feature_dim}]` + (contract.encoder ? " of " + contract.encoder : "") +
      (contract.patch_px ? `, patches of ${contract.patch_px} px` : "") + (contract.target_mpp ? ` at ${contract.target_mpp} µm/px` : "")],
    ["Ensemble", `${facts.members.length} members (${facts.model.name}), trained on ${facts.cohort ? `${facts.cohort.slides} slides of ${facts.cohort.patients} patients` : "a cohort that is not recorded"}`],
    ["AUROC of single members", auroc && auroc.value !== null ? `${auroc.value.toFixed(3)}${interval}, out-of-fold, patient level${selected}` : "undefined"],
    ["Digest", facts.files["model.onnx"].slice(0, 16)],
  ];
}

// One prediction

function drawBars(answer) {
  element("bars").replaceChildren(...classes.map((name) => {
    const p = answer.probabilities[name];
    const row = create("div", undefined, name === answer.predicted ? "row top" : "row");
    const track = create("span", undefined, "track"), fill = create("span", undefined, "fill");
    fill.style.width = 100 * p + "%";
    track.append(fill);
    row.append(create("b", name), track, create("span", percent(p)));
    return row;
  }));
}

function byAttention(attention) {
  return attention.map((_, i) => i).sort((a, b) => attention[b] - attention[a]);
}

function listPatches(answer, order) {
  const heads = answer.coords ? ["Patch", "x", "y", "Attention"] : ["Patch", "Attention"];
  element("head").replaceChildren(...heads.map((text) => { const cell = create("th", text); cell.scope = "col"; return cell; }));
  element("rows").replaceChildren(...order.slice(0, 8).map((i) => {
    const row = create("tr"), coords = answer.coords ? answer.coords[i] : [];
    row.append(...[i, ...coords, percent(answer.attention[i])].map((text) => create("td", text)));
    return row;
  }));
}

function show(answer) {
  element("predicted").textContent = answer.predicted + ", " + percent(answer.probabilities[answer.predicted]);
  element("decision").textContent = answer.threshold === null ? "The model has no decision threshold."
    : `Decision at the model's threshold (${classes[classes.length - 1]} from ${percent(answer.threshold)}): ${answer.decision}.`;
  element("notes").replaceChildren(...answer.notes.map((note) => create("li", sentence(note))));
  const order = byAttention(answer.attention);
  drawBars(answer);
  listPatches(answer, order);
  element("result").hidden = false;
  drawMap(answer, order);
}

// The attention map

const STOPS = [[68, 1, 84], [65, 68, 135], [42, 120, 142], [34, 168, 132], [122, 209, 81], [253, 231, 37]];
function colour(t) {
  const position = t * (STOPS.length - 1), k = Math.min(Math.floor(position), STOPS.length - 2), f = position - k;
  return "rgb(" + STOPS[k].map((c, j) => Math.round(c + f * (STOPS[k + 1][j] - c))).join() + ")";
}

const TICKS = 3, MAX_DECADES = 4;

/** Maps attention to a position from 0 to 1 on the colour scale, with the attention at each tick. */
function scaleOf(attention, logarithmic) {
  const top = maximum(attention);
  const ticks = Array.from({ length: TICKS }, (_, k) => k / (TICKS - 1));
  if (!logarithmic) return { position: (a) => a / top, ticks: ticks.map((t) => percent(t * top)), clipped: "" };
  const least = attention.reduce((a, b) => (b > 0 ? Math.min(a, b) : a), top);
  const decades = Math.min(MAX_DECADES, Math.max(Math.log10(top / least), 0.1)), low = top / 10 ** decades;
  return {
    position: (a) => Math.max(0, Math.log10(a / low) / decades),
    ticks: ticks.map((t) => percent(low * 10 ** (decades * t))),
    clipped: attention.some((a) => a < 0.999 * low) ? ` Lower attention has the colour of ${percent(low)}.` : "",
  };
}

function smallestStep(values) {
  const sorted = [...new Set(values)].sort((a, b) => a - b);
  let step = Infinity;
  for (let i = 1; i < sorted.length; i++) step = Math.min(step, sorted[i] - sorted[i - 1]);
  return Number.isFinite(step) ? step : 1;
}

function drawMap(answer, order) {
  element("map-card").hidden = !answer.coords;
  if (!answer.coords) return;
  const xs = answer.coords.map((p) => p[0]), ys = answer.coords.map((p) => p[1]);
  const side = Math.max(smallestStep(xs), smallestStep(ys));
  const x0 = minimum(xs), y0 = minimum(ys), width = maximum(xs) - x0 + side, height = maximum(ys) - y0 + side;
  const zoom = Math.min(1800 / width, 900 / height);
  const canvas = element("map"), context = canvas.getContext("2d");
  canvas.width = Math.ceil(width * zoom);
  canvas.height = Math.ceil(height * zoom);
  const scale = scaleOf(answer.attention, element("log").checked);
  for (const i of order.slice().reverse()) {
    const left = Math.round((xs[i] - x0) * zoom), top = Math.round((ys[i] - y0) * zoom);
    const right = Math.round((xs[i] - x0 + side) * zoom), bottom = Math.round((ys[i] - y0 + side) * zoom);
    context.fillStyle = colour(scale.position(answer.attention[i]));
    context.fillRect(left, top, Math.max(1, right - left), Math.max(1, bottom - top));
  }
  element("ticks").replaceChildren(...scale.ticks.map((text) => create("span", text)));
  const uniform = percent(1 / order.length);
  element("scale").textContent = `Share of the slide's attention per patch; uniform attention would be ${uniform} per patch.${scale.clipped}`;
}

// The list of files

/** Shown if there are several files; the selected one is highlighted. */
function listFiles() {
  element("files-card").hidden = results.length < 2;
  element("files").replaceChildren(...results.map((result) => {
    const row = create("tr", undefined, (result === shown ? "shown " : "") + (result.error ? "failed" : ""));
    const name = create("td"), button = create("button", result.name), answer = result.answer;
    button.type = "button";
    button.addEventListener("click", () => select(result));
    name.append(button);
    const text = answer ? `${answer.predicted}, ${percent(answer.probabilities[answer.predicted])}` : "failed";
    row.append(name, create("td", answer ? answer.n_patches.toLocaleString("en") : ""), create("td", text));
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
  } else show(result.answer);
  listFiles();
}

// Requests

/** The whole file if it may contain features, otherwise only its beginning, from which the server identifies the format. */
async function bodyOf(file) {
  const start = new Uint8Array(await file.slice(0, 64).arrayBuffer());
  const text = String.fromCharCode(...start);
  const accepted = text.startsWith("\x89HDF") || text.startsWith("\x93NUMPY") || text.trimStart().startsWith("{");
  return accepted ? file : file.slice(0, 4096);
}

async function predict(file) {
  element("status").textContent = `Predicting ${file.name} (${(file.size / 1048576).toFixed(1)} MiB) …`;
  const start = performance.now();
  const result = { name: file.name, status: "" };
  try {
    const slide = encodeURIComponent(file.name.replace(/\.(h5|hdf5|npy|json)$/i, ""));
    const response = await fetch(`predict?attention=1&slide_id=${slide}`, {
      method: "POST", body: await bodyOf(file), headers: { "Content-Type": "application/octet-stream" },
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error.message);
    result.answer = answer;
    result.status = `${file.name}: ${answer.n_patches.toLocaleString("en")} patches in ${((performance.now() - start) / 1000).toFixed(2)} s`;
  } catch (error) {
    result.error = error.name === "NotFoundError" ? "The file cannot be read. Folders are not accepted; drop the files they contain." : error.message;
  }
  results.push(result);
  select(result);
}

let queue = Promise.resolve();
function enqueue(files) {
  for (const file of files) queue = queue.then(() => predict(file));
}

element("log").addEventListener("change", () => { if (shown && shown.answer) drawMap(shown.answer, byAttention(shown.answer.attention)); });
element("file").addEventListener("change", (event) => { enqueue([...event.target.files]); event.target.value = ""; });
for (const name of ["dragenter", "dragover"]) addEventListener(name, (event) => { event.preventDefault(); element("drop").classList.add("over"); });
for (const name of ["dragleave", "drop"]) addEventListener(name, (event) => { event.preventDefault(); element("drop").classList.remove("over"); });
addEventListener("drop", (event) => enqueue([...event.dataTransfer.files]));
element("curl").textContent = `curl --data-binary @slide.h5 ${location.origin}/predict`;
describeModel().catch(() => { element("name").textContent = "The server does not respond"; });
