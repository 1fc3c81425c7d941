// The prediction of one slide, for models of classes and of values.

import { create, decimal, interval, maximum, minimum, percent, sentence, shape } from "./dom.js";

/** The value of an answer that decisions are about, or null: of two classes, the probability of the positive one. */
function decided(facts, answer) {
  if (!facts.classes || answer.threshold === null) return null;
  const positive = facts.threshold.positive;
  return { name: positive, value: answer.probabilities[positive], threshold: answer.threshold, members: membersOf(answer, positive) };
}

const membersOf = (answer, name) => (answer.members || []).map((member) => (member.probabilities || member.values)[name]);

/** The line of a table of files. */
export function summaryOf(facts, answer) {
  if (facts.classes) return `${answer.predicted}, ${percent(answer.probabilities[answer.predicted])}`;
  const column = facts.columns[0], decision = answer.decisions[column.name];
  return `${column.name} ${decimal(answer.values[column.name])}` + (decision ? `, ${decision.decision}` : "");
}

/** Fills the elements `at(id)` of the prediction. */
export function showPrediction(at, facts, answer) {
  const isClasses = Boolean(facts.classes);
  at("predicted").textContent = isClasses ? `${answer.predicted}, ${percent(answer.probabilities[answer.predicted])}` : summaryOf(facts, answer);
  at("decision").textContent = isClasses ? decisionText(facts, answer) : "";
  at("bars").replaceChildren(...(isClasses ? classBars(facts, answer) : []));
  at("values").replaceChildren(...(isClasses ? [] : valueRows(facts, answer)));
  const gauge = isClasses ? decided(facts, answer) : null;
  at("gauge").replaceChildren(...(gauge ? gaugeOf(gauge) : []));
  at("evidence").replaceChildren(...evidence(facts, answer).map((text) => create("li", text)));
  showSimilarity(at("similarity"), answer.out_of_distribution, facts.similarity);
  at("notes").replaceChildren(...answer.notes.map((note) => create("li", sentence(note))));
}

function decisionText(facts, answer) {
  if (answer.threshold === null) return `No decision threshold: ${facts.threshold.reason}.`;
  const { name, value, threshold } = decided(facts, answer);
  const relation = value >= threshold ? "at or above" : "below";
  return `Decision: ${answer.decision}. The probability of ${name}, ${percent(value)}, is ${relation} the threshold of ${percent(threshold)}.`;
}

function classBars(facts, answer) {
  return facts.classes.map((name) => {
    const p = answer.probabilities[name];
    const row = create("div", undefined, name === answer.predicted ? "row top" : "row");
    const track = create("span", undefined, "track"), fill = create("span", undefined, "fill");
    fill.style.width = 100 * p + "%";
    track.append(fill);
    row.append(create("b", name), track, create("span", percent(p)));
    return row;
  });
}

/** Terms and descriptions of every predicted value. */
function valueRows(facts, answer) {
  return facts.columns.flatMap((column) => {
    const decision = answer.decisions[column.name], members = membersOf(answer, column.name);
    const parts = [`${decimal(answer.values[column.name])}${column.unit ? " " + column.unit : ""} (${column.meaning})`];
    if (decision) parts.push(`${decision.decision}, cut-off ${decimal(decision.cutoff)}`);
    if (members.length > 1) parts.push(`members ${decimal(minimum(members))} to ${decimal(maximum(members))}`);
    return [create("dt", column.name), create("dd", parts.join("; "))];
  });
}

/** Probability, threshold and members on one axis from 0 to 1. */
function gaugeOf({ name, value, threshold, members }) {
  const range = members.length > 1 ? `, members ${percent(minimum(members))} to ${percent(maximum(members))}` : "";
  const svg = shape("svg", { viewBox: "0 0 100 12", preserveAspectRatio: "none", role: "img" });
  svg.setAttribute("aria-label", `Probability of ${name}: ${percent(value)}; threshold ${percent(threshold)}${range}`);
  svg.append(shape("rect", { x: 0, y: 4, width: 100, height: 4, class: "axis" }));
  if (members.length > 1) {
    const low = 100 * minimum(members);
    svg.append(shape("rect", { x: low, y: 4, width: Math.max(0.5, 100 * maximum(members) - low), height: 4, class: "range" }));
  }
  for (const member of members) svg.append(shape("rect", { x: 100 * member - 0.2, y: 3, width: 0.4, height: 6, class: "member" }));
  svg.append(shape("rect", { x: 100 * threshold - 0.25, y: 0, width: 0.5, height: 12, class: "threshold" }));
  svg.append(shape("rect", { x: Math.min(100 * value, 99.2) - 0.4, y: 1.5, width: 1.2, height: 9, class: "value" }));
  const legend = create("p", undefined, "keys");
  for (const [key, text] of [["value", "probability"], ["threshold", "threshold"], ["range", "range of the members"]]) {
    legend.append(create("span", text, `key ${key}`));
  }
  const ends = create("div", undefined, "ticks soft");
  ends.append(create("span", "0\u00a0%"), create("span", `probability of ${name}`), create("span", "100\u00a0%"));
  return [svg, ends, legend];
}

/** How far the decision can be trusted: performance at the threshold, and agreement of the members. */
function evidence(facts, answer) {
  const texts = [], gauge = decided(facts, answer);
  if (gauge) {
    const { sensitivity, specificity } = facts.performance.decisions || {};
    if (sensitivity && sensitivity.value !== null && specificity.value !== null) {
      texts.push(`Out-of-fold test slides, each at the threshold of its member: sensitivity ${sensitivity.value.toFixed(3)}${interval(sensitivity)}, ` +
        `specificity ${specificity.value.toFixed(3)}${interval(specificity)}.`);
    } else texts.push("Sensitivity and specificity at this threshold are not recorded in the bundle.");
    for (const { name, slide } of facts.external || []) {
      if (slide.sensitivity && slide.sensitivity.value !== null && slide.specificity.value !== null) {
        texts.push(`External cohort ${name}, at this threshold: sensitivity ${slide.sensitivity.value.toFixed(3)}${interval(slide.sensitivity)}, ` +
          `specificity ${slide.specificity.value.toFixed(3)}${interval(slide.specificity)}.`);
      }
    }
  }
  const name = facts.classes ? (gauge ? gauge.name : answer.predicted) : null, members = name ? membersOf(answer, name) : [];
  if (members.length > 1) {
    const before = facts.calibration.method === "temperature" ? ", before temperature scaling" : "";
    texts.push(`The ${members.length} members give ${percent(minimum(members))} to ${percent(maximum(members))} for ${name}${before}.`);
  }
  return texts;
}

function showSimilarity(box, similarity, known) {
  box.className = similarity && similarity.flag ? "badge warning" : "badge";
  box.textContent = similarity === null ? `Similarity to the training slides: not known${known && known.reason ? ` (${known.reason})` : ""}.`
    : `${similarity.flag ? "Unlike the training slides (out of distribution): the prediction may be wrong." : "Similar to the training slides."} ` +
      `Distance ${decimal(similarity.score)}, limit ${decimal(similarity.limit)}.`;
}

/** Terms and descriptions of the model. */
export function modelFacts(facts) {
  const main = facts.classes ? "auroc" : facts.performance.main_metric, contract = facts.contract;
  const estimate = facts.performance.patient[main], value = estimate && estimate.value !== null ? estimate.value.toFixed(3) + interval(estimate) : "undefined";
  const predicted = facts.classes ? facts.classes.join(", ") : facts.columns.map((column) => column.name).join(", ");
  const cohort = facts.cohort ? `${facts.cohort.slides} slides of ${facts.cohort.patients} patients` : "a cohort that is not recorded";
  return [
    [facts.classes ? "Classes" : "Values", predicted],
    ["Input", `Features [N, ${contract.feature_dim}]` + (contract.encoder ? " of " + contract.encoder : "") +
      (contract.patch_px ? `, patches of ${contract.patch_px} px` : "") + (contract.target_mpp ? ` at ${contract.target_mpp} µm/px` : "")],
    ["Ensemble", `${facts.members.length} members (${facts.model.name}), trained on ${cohort}`],
    [`${main === "auroc" ? "AUROC" : main} of single members`, `${value}, out-of-fold, patient level${facts.performance.selected ? ", selected" : ""}`],
    ["Digest", facts.files["model.onnx"].slice(0, 16)],
  ];
}
