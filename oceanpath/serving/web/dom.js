// Elements and numbers of the page.

export const element = (id) => document.getElementById(id);

export const create = (tag, text, className) => {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  return node;
};

const SVG = "http://www.w3.org/2000/svg";

/** An SVG element with attributes. */
export const shape = (tag, attributes) => {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};

const REFERENCES = ["id", "for", "name", "aria-labelledby", "aria-describedby"];

/** A copy of an element in which every id, and every reference to one, ends in `suffix`. */
export function copyOf(node, suffix) {
  const copy = node.cloneNode(true);
  for (const part of [copy, ...copy.querySelectorAll("*")]) {
    for (const name of REFERENCES) {
      if (part.hasAttribute(name)) part.setAttribute(name, part.getAttribute(name).split(" ").map((id) => id + suffix).join(" "));
    }
  }
  return copy;
}

/** A button that looks like a link. */
export function button(text, action, label) {
  const node = create("button", text, "link");
  node.type = "button";
  if (label) node.setAttribute("aria-label", label);
  node.addEventListener("click", action);
  return node;
}

export const percent = (p) => (p >= 0.001 || p === 0 ? (100 * p).toFixed(1) : (100 * p).toPrecision(2)) + "\u00a0%";
export const decimal = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3));
export const signed = (value) => (value > 0 ? "+" : value < 0 ? "\u2212" : "") + (value ? decimal(Math.abs(value)) : "0");
export const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (text.endsWith(".") ? "" : ".");
export const minimum = (values) => values.reduce((a, b) => Math.min(a, b));
export const maximum = (values) => values.reduce((a, b) => Math.max(a, b));

/** " (95 % interval 0.433 to 0.922)", or nothing if there is no interval. */
export const interval = (estimate) =>
  estimate.low === null || estimate.high === null ? "" : ` (95\u00a0% interval ${estimate.low.toFixed(3)} to ${estimate.high.toFixed(3)})`;
