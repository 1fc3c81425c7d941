// Colours of attention: viridis, linear or logarithmic.

import { maximum, percent } from "./dom.js";

export const STOPS = [[68, 1, 84], [65, 68, 135], [42, 120, 142], [34, 168, 132], [122, 209, 81], [253, 231, 37]];

/** Red, green and blue of a position from 0 to 1. */
export function colour(t) {
  const position = t * (STOPS.length - 1), k = Math.min(Math.floor(position), STOPS.length - 2), f = position - k;
  return STOPS[k].map((c, j) => Math.round(c + f * (STOPS[k + 1][j] - c)));
}

const TICKS = 3, MAX_DECADES = 4;

/** Maps attention to a position from 0 to 1 on the colour scale, with the attention at each tick. */
export function scaleOf(attention, logarithmic) {
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
