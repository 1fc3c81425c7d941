// The patches of a slide as a small picture: one pixel per cell of their grid, so that a frame of the map is one copy.

import { maximum, minimum } from "./dom.js";

const LARGEST = 2048, FINE = 4;

/** The most frequent distance of consecutive patches in a row or column of the slide; 0 if there is none. */
function commonStep(along, across) {
  const order = along.map((_, i) => i).sort((a, b) => across[a] - across[b] || along[a] - along[b]);
  const counts = new Map();
  for (let k = 1; k < order.length; k++) {
    const [i, j] = [order[k - 1], order[k]], step = along[j] - along[i];
    if (across[i] === across[j] && step > 0) counts.set(step, (counts.get(step) || 0) + 1);
  }
  return [...counts].reduce((best, one) => (one[1] > best[1] ? one : best), [0, 0])[0];
}

/** Where patches are: their corners, their side and the cells of the raster, all in level-0 pixels. */
export function layoutOf(coords, statedSide) {
  const xs = coords.map((p) => p[0]), ys = coords.map((p) => p[1]);
  const x0 = minimum(xs), y0 = minimum(ys), spanX = maximum(xs) - x0, spanY = maximum(ys) - y0;
  const steps = [commonStep(xs, ys), commonStep(ys, xs)].filter((step) => step > 0);
  const stride = steps.length ? Math.min(...steps) : 0;
  const side = statedSide || stride || Math.max(1, Math.sqrt((spanX + 1) * (spanY + 1) / coords.length));
  const width = spanX + side, height = spanY + side;
  const isGrid = stride > 0 && side >= stride && coords.every(([x, y]) => (x - x0) % stride === 0 && (y - y0) % stride === 0);
  const cell = Math.max(isGrid ? stride : side / FINE, Math.max(width, height) / LARGEST);
  return { xs, ys, x0, y0, side, width, height, cell, columns: Math.ceil(width / cell), rows: Math.ceil(height / cell) };
}

/** Draws patches in the given order; later ones cover earlier ones. `owner` has the patch of every pixel, or -1. */
export function rasterOf(layout, scores, order, scale) {
  const { columns, rows, cell, side } = layout;
  const image = new ImageData(columns, rows), pixels = new Uint32Array(image.data.buffer);
  const owner = new Int32Array(columns * rows).fill(-1), span = Math.max(1, Math.round(side / cell));
  for (const i of order) {
    const [red, green, blue] = scale.colour(scale.position(scores[i]));
    const packed = 0xff000000 | (blue << 16) | (green << 8) | red; // the bytes red, green, blue, alpha in memory
    const left = Math.round((layout.xs[i] - layout.x0) / cell), top = Math.round((layout.ys[i] - layout.y0) / cell);
    for (let y = top; y < Math.min(top + span, rows); y++) {
      pixels.fill(packed, y * columns + left, y * columns + Math.min(left + span, columns));
      owner.fill(i, y * columns + left, y * columns + Math.min(left + span, columns));
    }
  }
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  canvas.getContext("2d").putImageData(image, 0, 0);
  return { canvas, owner };
}
