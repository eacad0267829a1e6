/**
 * What the doctor's controllers share: the page's data, asking the server, words, the time of day.
 *
 *   const page = Candil.doctorPage(document);    // null when this is not the consult page
 *   const answer = await page.post(url, fields);  // {ok, status, code, data}: never rejects
 *   const piece = await page.fragment(url);       // {ok, code, html}
 *   page.say(code)                                // the sentence for an error's code
 */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root.Candil = root.Candil || {});

  const ANSWER_TIMEOUT_MS = 20000;

  class Page {
    /** @param {HTMLElement} element */
    constructor(element) {
      this.root = element;
      const data = element.dataset;
      this.base = data.base || "";
      this.csrf = data.csrf || "";
      this.me = data.me || "";
      this.patient = data.patient || "";
      this.media = /** @type {"video"|"audio"|"text"} */ (data.media || "video");
      this.zone = data.zone || "UTC";
      const words = document.querySelector("[data-words]");
      /** @type {Record<string, string>} */
      this.words = words ? JSON.parse(words.textContent || "{}") : {};
    }

    /** @param {string} code @returns {string} */
    say(code) {
      return this.words[code] || this.words[code.indexOf("storage") === 0 ? "storage_failed" : "failed"];
    }

    /** @param {string} url @param {Record<string, string>} fields */
    async post(url, fields) {
      const answer = await this._ask(url, fields, false);
      return { ok: answer.ok, status: answer.status, code: answer.code, data: answer.data };
    }

    /** @param {string} url @param {Record<string, string>} [fields] posted when given */
    async fragment(url, fields) {
      return this._ask(url, fields, true);
    }

    /** @param {number} at Unix seconds @returns {string} */
    timeOfDay(at) {
      const options = /** @type {any} */ ({ hour: "numeric", minute: "2-digit", timeZone: this.zone });
      const lang = document.documentElement.lang;
      return new Date(at * 1000).toLocaleTimeString(lang === "es" ? "es-VE" : lang, options);
    }

    /** @param {string} url @param {Record<string, string>|undefined} fields @param {boolean} wantsHtml */
    async _ask(url, fields, wantsHtml) {
      const nothing = { ok: false, status: 0, code: "no_connection", data: /** @type {any} */ ({}), html: "" };
      try {
        const late = new Promise((_, reject) => root.setTimeout(() => reject(new Error("late")), ANSWER_TIMEOUT_MS));
        const response = /** @type {Response} */ (await Promise.race([fetch(url, this._request(fields, wantsHtml)), late]));
        if (wantsHtml && response.ok) return Object.assign(nothing, { ok: true, status: 200, code: "", html: await response.text() });
        const data = await response.json();
        return Object.assign(nothing, { ok: response.ok, status: response.status, code: data.code || "", data });
      } catch (error) {
        return nothing;
      }
    }

    /** @param {Record<string, string>|undefined} fields @param {boolean} wantsHtml @returns {RequestInit} */
    _request(fields, wantsHtml) {
      /** @type {Record<string, string>} */
      const headers = { Accept: "application/json", "X-CSRF-Token": this.csrf };
      if (wantsHtml) headers["X-Fragment"] = "1";
      if (!fields) return { headers, credentials: "same-origin", cache: "no-store" };
      return { method: "POST", headers, body: new URLSearchParams(fields), credentials: "same-origin", cache: "no-store" };
    }
  }

  /** @param {HTMLFormElement} form @returns {Record<string, string>} its text fields, without the token */
  Candil.formFields = function (form) {
    /** @type {Record<string, string>} */
    const found = {};
    new FormData(form).forEach((value, name) => {
      if (name !== "csrf" && typeof value === "string") found[name] = value;
    });
    return found;
  };

  /** @param {Element|null} element @param {boolean} shown */
  Candil.show = function (element, shown) {
    if (element) /** @type {HTMLElement} */ (element).hidden = !shown;
  };

  /** @returns {Page|null} */
  Candil.doctorPage = function () {
    const element = /** @type {HTMLElement|null} */ (document.querySelector("[data-doctor-consult]"));
    return element ? new Page(element) : null;
  };
})(/** @type {any} */ (self));
