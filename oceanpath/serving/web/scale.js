// Colours: viridis for attention, linear or logarithmic; blue, grey and red for contributions with their sign.

import { maximum, percent, signed } from "./dom.js";

export const STOPS = [[68, 1, 84], [65, 68, 135], [42, 120, 142], [34, 168, 132], [122, 209, 81], [253, 231, 37]];
const SIGNED_STOPS = [[5, 48, 97], [67, 147, 195], [247, 247, 247], [214, 96, 77], [103, 0, 31]];

/** Red, green and blue of a position from 0 to 1. */
export function colour(t, stops = STOPS) {
  const position = t * (stops.length - 1), k = Math.min(Math.floor(position), stops.length - 2), f = position - k;
  return stops[k].map((c, j) => Math.round(c + f * (stops[k + 1][j] - c)));
}

/** Maps contributions to a position from 0 to 1; 0 is in the middle. */
export function signedScaleOf(contributions) {
  const top = contributions.reduce((a, b) => Math.max(a, Math.abs(b)), 0) || 1;
  return { colour: (t) => colour(t, SIGNED_STOPS), position: (c) => 0.5 + c / (2 * top), ticks: [-top, 0, top].map(signed), clipped: "" };
}

const TICKS = 3, MAX_DECADES = 4;

/** Maps attention to a position from 0 to 1 on the colour scale, with the attention at each tick. */
export function scaleOf(attention, logarithmic) {
  const top = maximum(attention);
  const ticks = Array.from({ length: TICKS }, (_, k) => k / (TICKS - 1));
  if (!logarithmic) return { colour, position: (a) => a / top, ticks: ticks.map((t) => percent(t * top)), clipped: "" };
  const least = attention.reduce((a, b) => (b > 0 ? Math.min(a, b) : a), top);
  const decades = Math.min(MAX_DECADES, Math.max(Math.log10(top / least), 0.1)), low = top / 10 ** decades;
  return {
    colour,
    position: (a) => Math.max(0, Math.log10(a / low) / decades),
    ticks: ticks.map((t) => percent(low * 10 ** (decades * t))),
    clipped: attention.some((a) => a < 0.999 * low) ? ` Lower attention has the colour of ${percent(low)}.` : "",
  };
}
