/**
 * Playing what arrives of one person. Sound and picture have an element each: a browser holds back the sound of an
 * element until the first frame of its picture is there, which on a weak line, or from who sends only voice, never comes.
 *
 *   Candil.play(tile, stream, () => ...);   tile holds a muted <video> and an <audio>; stream may be null;
 *                                           the callback: the browser wants a tap before it plays sound
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  /** @param {Element} tile @param {any} stream @param {() => void} onRefused */
  Candil.play = function (tile, stream, onRefused) {
    give(/** @type {HTMLVideoElement} */ (tile.querySelector("video")), stream ? stream.getVideoTracks() : [], onRefused);
    give(/** @type {HTMLAudioElement} */ (tile.querySelector("audio")), stream ? stream.getAudioTracks() : [], onRefused);
  };

  /** @param {HTMLMediaElement} element @param {MediaStreamTrack[]} tracks @param {() => void} onRefused */
  function give(element, tracks, onRefused) {
    const given = element.srcObject ? /** @type {MediaStream} */ (element.srcObject).getTracks() : [];
    const isSame = given.length === tracks.length && tracks.every((track) => given.indexOf(track) >= 0);
    if (!isSame) element.srcObject = tracks.length ? new MediaStream(tracks) : null;
    if (!element.srcObject || !element.paused) return;
    const playing = element.play();
    if (playing) playing.catch((error) => error.name === "NotAllowedError" && onRefused());
  }
})(/** @type {any} */ (self));
