// Files of the shown slide: GeoJSON for QuPath, CSV with the columns of WSInfer, and the map as PNG.

import { create } from "./dom.js";

const CORNERS = [[1, 0], [1, 1], [0, 1], [0, 0], [1, 0]]; // a closed ring, as `oceanpath.artifacts.patch_scores` writes it

/** `scores` are the numbers of every patch by name. */
export function geojsonOf(layout, scores) {
  const { xs, ys, side } = layout;
  const features = layout.xs.map((_, i) => ({
    type: "Feature",
    geometry: { type: "Polygon", coordinates: [CORNERS.map(([dx, dy]) => [xs[i] + dx * side, ys[i] + dy * side])] },
    properties: { objectType: "tile", isLocked: true, measurements: Object.fromEntries(Object.entries(scores).map(([name, values]) => [name, values[i]])) },
  }));
  return new Blob([JSON.stringify({ type: "FeatureCollection", features })], { type: "application/geo+json" });
}

export function csvOf(layout, scores) {
  const { xs, ys, side } = layout, columns = Object.values(scores);
  const lines = xs.map((x, i) => [x, ys[i], side, side, ...columns.map((values) => values[i])].join());
  return new Blob([[["minx,miny,width,height", ...Object.keys(scores)].join(), ...lines, ""].join("\n")], { type: "text/csv" });
}

const PICTURE = 1600, MARGIN = 24, BAR = 16, TEXT = 22;

/** The whole slide with title and colour scale. */
export function pngOf(layout, raster, scale, title) {
  const { columns, rows } = layout, zoom = Math.max(1, Math.floor(PICTURE / Math.max(columns, rows)));
  const canvas = create("canvas"), width = Math.max(columns * zoom, 480), height = rows * zoom;
  canvas.width = width + 2 * MARGIN;
  canvas.height = height + BAR + 2 * TEXT + 4 * MARGIN;
  const context = canvas.getContext("2d");
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = false;
  context.drawImage(raster.canvas, MARGIN, 2 * MARGIN + TEXT, columns * zoom, height);
  context.fillStyle = "#17262e";
  context.font = "18px system-ui, sans-serif";
  context.textBaseline = "top";
  context.fillText(title, MARGIN, MARGIN, width);
  const bottom = height + 3 * MARGIN + TEXT;
  for (let x = 0; x < width; x++) {
    context.fillStyle = `rgb(${scale.colour(x / (width - 1)).join()})`;
    context.fillRect(MARGIN + x, bottom, 1, BAR);
  }
  context.fillStyle = "#17262e";
  scale.ticks.forEach((text, k) => {
    context.textAlign = ["left", "center", "right"][k];
    context.fillText(text, MARGIN + width * k / (scale.ticks.length - 1), bottom + BAR + 4);
  });
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** Offers a file to the user. */
export function save(blob, name) {
  const link = create("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
