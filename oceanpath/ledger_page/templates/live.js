"use strict";

// Shows the progress of a run under way; when it ends, the page is loaded again with its results.

const state = document.getElementById("state");
const source = new EventSource(`/runs/${state.dataset.run}/events`);

function mark(node, text) {
  node.textContent = text;
  node.className = "state " + text;
}

source.addEventListener("progress", (event) => {
  const found = JSON.parse(event.data), shown = document.querySelectorAll("#steps tr");
  if (found.steps.length !== shown.length) location.reload();
  for (const [i, step] of found.steps.entries()) {
    const [badge, , parts] = shown[i].querySelectorAll("td");
    mark(badge.firstElementChild, step.state);
    parts.textContent = step.parts;
    document.querySelectorAll(".lineage g")[i].setAttribute("class", step.state);
  }
});
source.addEventListener("end", () => { source.close(); location.reload(); });
