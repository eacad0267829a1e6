"use strict";

// The syntax floor we promise to old phones: ES2017, plain scripts. A newer word in a file fails here.
const browser = {
  globals: Object.fromEntries(
    [
      "globalThis", "window", "document", "navigator", "location", "history", "console", "fetch", "WebSocket",
      "RTCPeerConnection", "MediaStream", "AudioContext", "webkitAudioContext", "setTimeout", "clearTimeout",
      "setInterval", "clearInterval", "requestAnimationFrame", "cancelAnimationFrame", "performance", "crypto",
      "URL", "URLSearchParams", "FormData", "Event", "CustomEvent", "HTMLElement", "HTMLFormElement", "localStorage",
      "sessionStorage", "Promise", "Map", "Set", "Intl", "Uint8Array", "AbortController", "HTMLInputElement",
      "HTMLTextAreaElement", "HTMLSelectElement", "HTMLVideoElement", "HTMLTemplateElement", "HTMLButtonElement",
      "HTMLDialogElement", "HTMLAudioElement", "Element", "Node", "KeyboardEvent", "DOMParser", "self", "ResizeObserver", "MutationObserver", "XMLHttpRequest", "Audio", "Blob",
    ].map((name) => [name, "readonly"]),
  ),
};

const rules = {
  "no-undef": "error",
  "no-unused-vars": ["error", { argsIgnorePattern: "^_", caughtErrors: "none" }],
  "no-var": "error",
  "prefer-const": "error",
  eqeqeq: ["error", "always", { null: "ignore" }],
  "no-implicit-globals": "error",
  "no-eval": "error",
  "no-shadow": "error",
  curly: ["error", "multi-line"],
};

module.exports = [
  {
    files: ["webapp/static/js/**/*.js"],
    languageOptions: { ecmaVersion: 2017, sourceType: "script", globals: browser.globals },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules,
  },
];
