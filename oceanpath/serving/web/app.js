// The page: sends files to one or two models of the server, and shows their answers for one of them.

import { button, create, element } from "./dom.js";
import { Panel } from "./panel.js";
import { summaryOf } from "./result.js";
import { addressOf, ask, predictionOf, useKey } from "./server.js";

const results = []; // {source, name, status, outcomes}, in order of arrival; one outcome per panel
const panels = [new Panel("", (map) => follow(0, map)), new Panel("-2", (map) => follow(1, map))];
let models = [], compared = false, shown = null;

/** The panels in use. */
const used = () => panels.slice(0, compared ? 2 : 1);

/** Shows on the other map what the user shows on one. */
function follow(number, { centre, zoom }) {
  const other = panels[1 - number]?.map;
  if (compared && other?.layout) other.setView(centre, zoom);
}

// Models

/** The models whose answers the page can show, each with its facts and address. */
async function findModels() {
  const listed = await ask("models");
  const found = await Promise.all(listed.map(async (model) => ({ ...model, address: addressOf(model), facts: await ask(addressOf(model)) })));
  return found.filter(({ facts }) => facts.classes || facts.columns);
}

function offerModels() {
  const option = (model, i) => {
    const node = create("option", models.filter(({ name }) => name === model.name).length > 1 ? `${model.name} (${model.version})` : model.name);
    node.value = i;
    return node;
  };
  element("model-form").hidden = models.length < 2;
  element("model").replaceChildren(...models.map(option));
  const none = create("option", "no other model");
  none.value = "";
  element("other").replaceChildren(none, ...models.map(option));
}

/** Describes the selected models, and predicts the files of the page again. */
function selectModels() {
  const numbers = [element("model").value, element("other").value].filter((value, k, all) => value !== "" && all.indexOf(value) === k);
  const selected = numbers.map((number) => models[number]);
  compared = selected.length > 1;
  selected.forEach(({ address, facts, name }, k) => panels[k].describe(address, { ...facts, name }));
  for (const panel of panels) panel.hide();
  element("panels").classList.toggle("compared", compared);
  document.body.classList.toggle("wide", compared);
  element("panel-2").hidden = !compared;
  for (const panel of panels) panel.at("panel-name").hidden = !compared;
  element("name").textContent = selected.map(({ name }) => name).join(" and ");
  document.title = element("name").textContent + " · OceanPath";
  element("predictions").replaceChildren(...["File", "Patches", ...(compared ? selected.map(({ name }) => name) : ["Prediction"])].map((text) => {
    const cell = create("th", text);
    cell.scope = "col";
    return cell;
  }));
  const sources = results.splice(0).map(({ source }) => source);
  shown = null;
  listFiles();
  enqueue(sources);
}

// The list of files

/** Shown if there are several files; the selected one is highlighted. */
function listFiles() {
  element("files-card").hidden = results.length < 2;
  element("files").replaceChildren(...results.map((result) => {
    const { outcomes } = result, answers = outcomes.map(({ answer }) => answer);
    const row = create("tr", undefined, (result === shown ? "shown " : "") + (answers.every((answer) => !answer) ? "failed" : ""));
    const name = create("td"), known = answers.find((answer) => answer);
    name.append(button(result.name, () => select(result)));
    row.append(name, create("td", known ? known.n_patches.toLocaleString("en") : ""));
    row.append(...answers.map((answer, k) => create("td", answer ? summaryOf(panels[k].facts, answer) : "failed")));
    return row;
  }));
}

function select(result) {
  shown = result;
  element("status").textContent = result.status;
  result.outcomes.forEach((outcome, k) => panels[k].show(outcome));
  listFiles();
}

// Requests

/** The outcome of one model for a File, or for {name} of a slide in the server's folder. */
async function outcomeOf(panel, source) {
  try {
    return { name: source.name, answer: await predictionOf(panel.address, source) };
  } catch (error) {
    const text = error.name === "NotFoundError" ? "The file cannot be read. Folders are not accepted; drop the files they contain." : error.message;
    return { name: source.name, error: text };
  }
}

/** Predicts a source with every panel. */
async function predict(source) {
  const { name, size } = source, start = performance.now();
  element("status").textContent = `Predicting ${name}${size ? ` (${(size / 1048576).toFixed(1)} MiB)` : ""} …`;
  const outcomes = await Promise.all(used().map((panel) => outcomeOf(panel, source))), answer = outcomes.find((outcome) => outcome.answer)?.answer;
  const status = answer ? `${name}: ${answer.n_patches.toLocaleString("en")} patches in ${((performance.now() - start) / 1000).toFixed(2)} s` : "";
  results.push({ source, name, status, outcomes });
  select(results.at(-1));
}

/** Describes the models, or asks for a key if the server needs one. */
async function begin() {
  try {
    models = await findModels();
    const { slides, images } = await ask("slides");
    for (const panel of panels) panel.images = images;
    element("key-form").hidden = true;
    element("slide-form").hidden = !slides.length;
    element("slides").replaceChildren(...slides.map((id) => { const option = create("option"); option.value = id; return option; }));
    offerModels();
    selectModels();
  } catch (error) {
    element("key-form").hidden = error.status !== 401;
    element("name").textContent = error.status === 401 ? "This server needs a key" : "The server does not respond";
  }
}

let queue = begin();
function enqueue(sources) {
  for (const source of sources) queue = queue.then(() => predict(source));
}

element("key-form").addEventListener("submit", (event) => { event.preventDefault(); useKey(element("key").value); begin(); });
element("slide-form").addEventListener("submit", (event) => { event.preventDefault(); enqueue([{ name: element("slide").value }]); });
element("model-form").addEventListener("change", selectModels);
element("file").addEventListener("change", (event) => { enqueue([...event.target.files]); event.target.value = ""; });
for (const name of ["dragenter", "dragover"]) addEventListener(name, (event) => { event.preventDefault(); element("drop").classList.add("over"); });
for (const name of ["dragleave", "drop"]) addEventListener(name, (event) => { event.preventDefault(); element("drop").classList.remove("over"); });
addEventListener("drop", (event) => enqueue([...event.dataTransfer.files]));
element("curl").textContent = `curl --data-binary @slide.h5 ${location.origin}/predict`;
