// The pixels of a slide: its facts, pictures of patches, and the image below the map, which OpenSeadragon draws.

import { create } from "./dom.js";
import { ask, keyHeaders, pictureOf } from "./server.js";

const PICTURE_PX = 224, KEPT_TILES = 300, RETRIES = 2;

const pathOf = (id) => `slides/${encodeURIComponent(id)}`;

/** The size and resolution of a slide. */
export const imageOf = (id) => ask(`${pathOf(id)}/image`);

/** The address of the picture of a patch. */
export const patchPictureOf = (id, x, y, side) => pictureOf(`${pathOf(id)}/patch?x=${x}&y=${y}&side=${side}&size=${PICTURE_PX}`);

/** Whether the centres of all patches are inside a slide; the edge of a slide may cut patches off. */
export function isInside(image, { xs, ys, side }) {
  return xs.every((x, i) => x >= 0 && ys[i] >= 0 && x + side / 2 <= image.width && ys[i] + side / 2 <= image.height);
}

let library = null;

/** OpenSeadragon, loaded when the first slide is shown. */
function openSeadragon() {
  library ??= new Promise((resolve, reject) => {
    // OpenSeadragon adds an inline style, which the policy of the page blocks, unless it finds its own; this one has no effect
    const present = document.createElementNS("", "style");
    present.setAttribute("data-openseadragon-mobile-css", "true");
    document.head.append(present);
    const script = create("script");
    script.src = "web/openseadragon.min.js";
    script.addEventListener("load", () => resolve(window.OpenSeadragon));
    script.addEventListener("error", () => reject(new Error("OpenSeadragon cannot be loaded")));
    document.head.append(script);
  });
  return library;
}

/** The image of a slide in an element. It takes no input: it shows what the map above it shows. */
export class SlideView {
  /** `failed` is called with a message if a tile cannot be read. */
  static async open(node, image, failed) {
    return new SlideView(await openSeadragon(), node, image, failed);
  }

  constructor(OpenSeadragon, node, image, failed) {
    const { width, height } = image;
    Object.assign(this, { OpenSeadragon, width, height });
    this.viewer = OpenSeadragon({
      element: node,
      tileSources: {
        width, height, tileSize: image.tile_px, tileOverlap: image.overlap_px, minLevel: image.min_level, maxLevel: image.max_level,
        getTileUrl: (level, x, y) => `${pathOf(image.slide_id)}/image_files/${level}/${x}_${y}.jpeg`,
      },
      drawer: "canvas", tabIndex: -1, mouseNavEnabled: false, showNavigationControl: false, animationTime: 0, blendTime: 0,
      visibilityRatio: 0, minZoomImageRatio: 0, maxZoomPixelRatio: Infinity, maxImageCacheCount: KEPT_TILES,
      loadTilesWithAjax: true, ajaxHeaders: keyHeaders(), tileRetryMax: RETRIES,
    });
    this.viewer.addHandler("tile-load-failed", () => failed("Some of the slide cannot be read."));
    for (const name of ["open", "resize"]) this.viewer.addHandler(name, () => this.view && this.follow(...this.view));
  }

  /** Shows the part that a map with this view shows on its canvas. */
  follow(centre, zoom, canvas) {
    this.view = [centre, zoom, canvas];
    if (!this.viewer.isOpen()) return;
    const [width, height] = [canvas.width / zoom, canvas.height / zoom].map((pixels) => pixels / this.width);
    const [x, y] = centre.map((pixels) => pixels / this.width); // OpenSeadragon's unit is the width of the image
    this.viewer.viewport.fitBounds(new this.OpenSeadragon.Rect(x - width / 2, y - height / 2, width, height), true);
  }

  close() {
    this.viewer.destroy();
  }
}
