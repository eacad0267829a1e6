/**
 * Scripts that come only when they are needed, and the words that they bring into the page.
 *   await Candil.later("player");                    // its scripts have run; rejects without a line, then tried again
 *   const say = Candil.words("voice"); say("minutes", { n: 3 });
 *   Candil.showState(box, "free");                   // of [data-if="free review"]: those that name the state
 *   const outgoing = Candil.outgoing(options);       // (await outgoing()).send(upload): see ui/outgoing.js
 *   Candil.voiceNotes(box, outgoing, call);          // a press of [data-voice-button] in box brings the recorder
 * The page lists the scripts in [data-later] as {name: [addresses]}, the words in [data-words-of="name"]. A tap on
 * [data-play] or a[data-photo] is answered by its script where the page lists it.
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});
  const SLOW_MS = 1000;
  /** Whoever waited longer for the recorder does something else by now. */
  const AT_ONCE_MS = 4000;
  /** @type {Map<string, Promise<any>>} */
  const loading = new Map();

  /** @param {string} attribute @returns {any} */
  function json(attribute) {
    const element = document.querySelector(attribute);
    return element ? JSON.parse(element.textContent || "{}") : {};
  }

  /** @param {string} name @returns {Promise<void>} */
  Candil.later = function (name) {
    if (!loading.has(name)) {
      const scripts = json("[data-later]")[name] || [];
      const all = scripts.reduce((/** @type {any} */ before, /** @type {string} */ src) => before.then(() => script(src)), Promise.resolve());
      loading.set(name, all);
      all.catch(() => loading.delete(name));
    }
    return /** @type {Promise<void>} */ (loading.get(name));
  };

  /** @param {string} src @returns {Promise<void>} once */
  function script(src) {
    if (document.querySelector('script[src="' + src + '"]')) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const element = document.createElement("script");
      element.src = src;
      element.onload = () => resolve();
      element.onerror = () => {
        element.remove();
        reject(new Error("no script"));
      };
      document.head.append(element);
    });
  }

  /** @param {string} name */
  Candil.words = function (name) {
    const words = json('[data-words-of="' + name + '"]');
    return (/** @type {string} */ key, /** @type {Record<string, any>} */ values = {}) =>
      (words[key] || "").replace(/\{(\w+)\}/g, (/** @type {string} */ _, /** @type {string} */ slot) => String(values[slot]));
  };

  /** @param {HTMLElement} box @param {string} state "" hides the box */
  Candil.showState = function (box, state) {
    box.dataset.state = state;
    box.hidden = !state;
    for (const part of box.querySelectorAll("[data-if]")) {
      /** @type {HTMLElement} */ (part).hidden = String(/** @type {HTMLElement} */ (part).dataset.if).split(" ").indexOf(state) < 0;
    }
  };

  /** What sends is made with the first that is to be sent, or that an earlier page left. @param {any} options */
  Candil.outgoing = function (options) {
    /** @type {Promise<any>|null} */
    let made = null;
    const get = () => {
      if (!made) {
        made = Candil.later("outgoing").then(() => new Candil.Outgoing(options));
        /** @type {Promise<any>} */ (made).catch(() => (made = null));
      }
      return /** @type {Promise<any>} */ (made);
    };
    const goOn = () => isLeft() && get().catch(() => {});
    goOn();
    options.connection.on("welcome", goOn);
    return get;
  };

  function isLeft() {
    try {
      return Boolean(root.localStorage.getItem("candil.uploads"));
    } catch (error) {
      return false; // no store: then nothing was left in it
    }
  }

  /** @param {HTMLElement} box @param {() => Promise<any>} outgoing @param {any} call */
  Candil.voiceNotes = function (box, outgoing, call) {
    const button = /** @type {HTMLElement} */ (box.querySelector("[data-voice-button]"));
    const bar = /** @type {HTMLElement} */ (box.querySelector("[data-voice-bar]"));
    let isLoading = false;
    /** @type {Event|null} */
    let pressed = null;
    button.hidden = false;
    /** @type {HTMLElement} */ (box.querySelector("[data-compose]")).classList.add("has-voice");
    const press = async (/** @type {any} */ event) => {
      if (event.button || (event.type === "click" && event.detail)) return; // that was a pointer's, heard before
      pressed = event.type === "pointerdown" ? event : null;
      if (isLoading) return;
      isLoading = true;
      const began = Date.now();
      const slow = root.setTimeout(() => Candil.showState(bar, "loading"), SLOW_MS);
      try {
        const [sender] = await Promise.all([outgoing(), Candil.later("voice")]);
        root.clearTimeout(slow);
        const voice = new Candil.VoiceBar(box, sender, call);
        for (const [type, listener] of listeners) button.removeEventListener(type, listener);
        voice.first(pressed, Date.now() - began < AT_ONCE_MS);
      } catch (error) {
        root.clearTimeout(slow);
        Candil.showState(bar, "no_line");
      }
      isLoading = false;
    };
    const listeners = /** @type {[string, any][]} */ ([
      ["pointerdown", press],
      ["click", press],
      ["pointerup", () => (pressed = null)],
      ["pointercancel", () => (pressed = null)],
      ["contextmenu", (/** @type {Event} */ event) => event.preventDefault()],
    ]);
    for (const [type, listener] of listeners) button.addEventListener(type, listener);
  };

  document.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const link = /** @type {HTMLElement|null} */ (target.closest("[data-play], a[data-photo]"));
    const name = link && "play" in link.dataset ? "player" : "viewer";
    if (!link || !json("[data-later]")[name]) return;
    event.preventDefault();
    Candil.later(name).then(
      () => (name === "player" ? Candil.playVoice(link.closest("[data-voice]")) : Candil.viewPhoto(link)),
      () => {
        const says = /** @type {HTMLElement} */ (link.parentElement).querySelector("[data-voice-says]");
        if (says) says.textContent = Candil.words("voice")("failed");
      }
    );
  });
})(/** @type {any} */ (self));
