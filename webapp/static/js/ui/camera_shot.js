/**
 * One picture at the camera's full resolution, and a picture made small enough to send.
 *   const shot = await Candil.takeShot(track);                 // Blob: ImageCapture where it works, else a large frame
 *   const photo = await Candil.preparePhoto(blob, rateBps);     // {id, kind, parts, url, width, height}: see uploads.js
 * Drawing it anew on a canvas leaves place, time and model of the phone behind.
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});
  const SHOT_LIMIT_MS = 6000;
  const FRAME_LIMIT_MS = 4000;
  const LARGE = { width: { ideal: 2560 }, height: { ideal: 1920 } };
  const FULL = { longest: 1600, bytes: 300 * 1024, qualities: [0.82, 0.72, 0.6, 0.45] };
  const FULL_ON_THIN_LINE = { longest: 1600, bytes: 150 * 1024, qualities: [0.72, 0.6, 0.45, 0.3] };
  const THIN_BPS = 128000;
  const GOOD_BPS = 1500000;
  const FULL_ON_GOOD_LINE = { longest: 2560, bytes: 1024 * 1024, qualities: [0.85, 0.75, 0.6] };
  const PREVIEW = { longest: 360, bytes: 40 * 1024, qualities: [0.6, 0.45, 0.3, 0.15] };

  /** @param {number} width @param {number} height @param {number} longest @returns {{width: number, height: number}} */
  Candil.fitWithin = function (width, height, longest) {
    const scale = Math.min(1, longest / Math.max(width, height));
    return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
  };

  /** @param {any} track a running camera @returns {Promise<Blob>} */
  Candil.takeShot = async function (track) {
    const Capture = /** @type {any} */ (root).ImageCapture;
    if (Capture && Capture.prototype.takePhoto) {
      try {
        return await within(new Capture(track).takePhoto(), SHOT_LIMIT_MS);
      } catch (error) {
        // Some cameras only give frames.
      }
    }
    return largeFrame(track);
  };

  /** A frame of a copy of the track, as large as the camera gives. @param {any} track @returns {Promise<Blob>} */
  async function largeFrame(track) {
    const copy = track.clone();
    const video = document.createElement("video");
    try {
      await within(copy.applyConstraints(LARGE), FRAME_LIMIT_MS).catch(() => {}); // then at the size it has
      video.muted = true;
      video.playsInline = true;
      video.srcObject = new MediaStream([copy]);
      await within(video.play(), FRAME_LIMIT_MS);
      return await encoded(drawn(video, video.videoWidth, video.videoHeight, 4096), 0.92);
    } finally {
      video.srcObject = null;
      copy.stop();
    }
  }

  /** @param {Blob} blob @param {number} rateBps of the way up @returns {Promise<any>} rejects when it is no picture */
  Candil.preparePhoto = async function (blob, rateBps) {
    const image = await decoded(blob);
    const full = await squeezed(image, rateBps >= GOOD_BPS ? FULL_ON_GOOD_LINE : rateBps < THIN_BPS ? FULL_ON_THIN_LINE : FULL);
    const preview = await squeezed(image, PREVIEW);
    URL.revokeObjectURL(image.src);
    return {
      id: Candil.randomId(),
      kind: "photo",
      parts: { preview: await Candil.sealed(preview.blob), full: await Candil.sealed(full.blob) },
      url: URL.createObjectURL(full.blob),
      width: full.width,
      height: full.height,
    };
  };

  /** Upright, whatever way the phone was held. @param {Blob} blob @returns {Promise<HTMLImageElement>} */
  function decoded(blob) {
    return new Promise((resolve, reject) => {
      const image = document.createElement("img");
      image.onload = () => resolve(image);
      image.onerror = () => reject(new Error("not_a_picture"));
      image.src = URL.createObjectURL(blob);
    });
  }

  /** As good as fits. @param {HTMLImageElement} image @param {{longest: number, bytes: number, qualities: number[]}} wanted */
  async function squeezed(image, wanted) {
    const canvas = drawn(image, image.naturalWidth, image.naturalHeight, wanted.longest);
    let blob = await encoded(canvas, wanted.qualities[0]);
    for (const quality of wanted.qualities.slice(1)) {
      if (blob.size <= wanted.bytes) break;
      blob = await encoded(canvas, quality);
    }
    return { blob, width: canvas.width, height: canvas.height };
  }

  /** @param {any} source @param {number} width @param {number} height @param {number} longest @returns {HTMLCanvasElement} */
  function drawn(source, width, height, longest) {
    const size = Candil.fitWithin(width, height, longest);
    const canvas = document.createElement("canvas");
    canvas.width = size.width;
    canvas.height = size.height;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.imageSmoothingQuality = "high";
    context.drawImage(source, 0, 0, size.width, size.height);
    return canvas;
  }

  /** @param {HTMLCanvasElement} canvas @param {number} quality @returns {Promise<Blob>} */
  function encoded(canvas, quality) {
    return new Promise((resolve, reject) => {
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/jpeg", quality);
    });
  }

  /** @template T @param {Promise<T>} promise @param {number} ms @returns {Promise<T>} */
  function within(promise, ms) {
    return Promise.race([promise, new Promise((_, reject) => root.setTimeout(() => reject(new Error("late")), ms))]);
  }
})(/** @type {any} */ (self));
