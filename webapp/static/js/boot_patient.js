/** The patient's room: one connection, the step the visit is at, and the parts that show it. */
(function (root) {
  "use strict";

  const Candil = /** @type {any} */ (root).Candil;
  const LATE_MS = 1000;
  const OFFLINE_SHOWN_AFTER_MS = 1500;
  const PLAIN_AFTER_MS = 8000;
  const RESUMED_SHOWN_MS = 4000;
  const RELOAD_AGAIN_MS = 20000;

  /** What is not sent yet, kept on this phone across reloads. @param {string} key */
  function deviceStore(key) {
    return {
      load() {
        try {
          return JSON.parse(root.localStorage.getItem(key) || "[]");
        } catch (error) {
          return [];
        }
      },
      /** @param {any[]} waiting */
      save(waiting) {
        try {
          if (waiting.length) root.localStorage.setItem(key, JSON.stringify(waiting));
          else root.localStorage.removeItem(key);
        } catch (error) {
          // A full or forbidden store: it lasts as long as the page.
        }
      },
    };
  }

  /** @param {HTMLElement} room */
  function boot(room) {
    const data = room.dataset;
    const store = deviceStore("candil.waiting." + data.me);
    const connection = new Candil.Connection({
      ticketUrl: data.base + "/ticket",
      csrf: data.csrf,
      wsUrl: root.location.origin.replace(/^http/, "ws") + "/ws",
      store,
    });
    const chat = new Candil.Chat(room, connection);
    store.load().forEach((/** @type {any} */ entry) => chat.addPending(entry));
    const waiting = new Candil.Waiting(room, connection, chat, (/** @type {string} */ step) => go(step));
    const call = data.media === "text" ? null : new Candil.PatientCall(room, connection, go);
    const live = call && call.call;
    const outgoing = Candil.outgoing({ base: data.base, csrf: data.csrf, me: data.me, chat, connection, call: live });
    Candil.voiceNotes(/** @type {HTMLElement} */ (room.querySelector(".compose-box")), outgoing, live);
    photos(room, connection, live, outgoing);
    document.addEventListener("candil:bytes", (/** @type {any} */ event) => live && live.countBytes(event.detail));

    let reloading = 0;
    /** Another page is needed. Asking again while it comes would begin its loading anew on a slow line. */
    function reload() {
      if (reloading) return;
      reloading = setTimeout(() => (reloading = 0), RELOAD_AGAIN_MS);
      root.location.replace(String(data.base));
    }

    /** @param {string} step */
    function go(step) {
      const shown = ["waiting", "held", "call", "ended", "left", "replaced", "closed"];
      if (shown.indexOf(step) < 0) return reload();
      const keepsLeft = data.step === "left" && step === "call";
      if (call && step !== "call") call.exit();
      if (data.step !== step) {
        data.step = step;
        data.chat = "";
        const main = /** @type {HTMLElement} */ (room.querySelector("#main"));
        if (!keepsLeft) main.scrollTop = 0;
      }
      if (call && step === "call") call.enter();
      chat.markRead();
    }

    connection.on("state", (/** @type {any} */ view) => {
      const step = stepOf(view, connection.me, String(data.step));
      if (step !== data.step || step === "call") go(step);
    });
    watchConnection(room, connection, waiting, go);
    if (!call) lightText(room);
    else showLine(room);
    sheet(room, chat);
    root.addEventListener("online", () => connection.reconnectNow());
    document.addEventListener("visibilitychange", () => document.hidden || connection.reconnectNow());
    connection.start();
    if (data.step === "call") go("call");
  }

  /** @param {any} view @param {any} me @param {string} now @returns {string} */
  function stepOf(view, me, now) {
    if (!me || view.consult.status === "finished" || view.consult.status === "cancelled") return "reload";
    if (me.admission === "waiting") return ["call", "ended", "left", "held"].indexOf(now) >= 0 ? "held" : "waiting";
    if (me.admission !== "admitted") return "reload";
    if (view.consult.status !== "in-progress") return "waiting";
    if (view.consult.conversation_ended) return "ended";
    return now === "left" ? "left" : "call";
  }

  /**
   * Bands are calm: a moment without a line says nothing, a longer one says what still works.
   * @param {HTMLElement} room @param {any} connection @param {any} waiting @param {(step: string) => void} go
   */
  function watchConnection(room, connection, waiting, go) {
    const data = room.dataset;
    let timer = setTimeout(() => (data.late = ""), LATE_MS);
    let plain = setTimeout(() => waiting.startPolling(), PLAIN_AFTER_MS);
    connection.on("connection", (/** @type {string} */ state) => {
      clearTimeout(timer);
      if (state === "open") {
        clearTimeout(plain);
        waiting.stopPolling();
        const wasAway = data.connection === "offline" || data.connection === "plain";
        data.connection = wasAway ? "resumed" : "open";
        timer = setTimeout(() => (data.connection = "open"), RESUMED_SHOWN_MS);
      } else if (state === "offline") {
        timer = setTimeout(() => {
          if (!waiting.polling) data.connection = "offline";
        }, OFFLINE_SHOWN_AFTER_MS);
        clearTimeout(plain);
        plain = setTimeout(() => waiting.startPolling(), PLAIN_AFTER_MS);
      } else if (state === "replaced") {
        go("replaced");
      } else if (state === "ended") {
        clearTimeout(plain);
        waiting.stopPolling();
        go("closed");
      } else {
        data.connection = state;
      }
    });
  }

  /** The scripts of photos come when the doctor asks for one: most visits have none.
   * @param {HTMLElement} room @param {any} connection @param {any} call @param {() => Promise<any>} outgoing */
  function photos(room, connection, call, outgoing) {
    /** @type {any} */
    let photo = null;
    connection.on("photo.requested", async (/** @type {any} */ message) => {
      const [sender] = await Promise.all([outgoing(), Candil.later("photo")]);
      photo = photo || new Candil.PatientPhoto(room, connection, call, sender);
      photo.asked(message.request);
    });
  }

  /** What the test before found, while they wait. @param {HTMLElement} room */
  function showLine(room) {
    const item = /** @type {HTMLElement|null} */ (room.querySelector("[data-line-known]"));
    const known = Candil.rememberedLine();
    if (!item || !known || !known.bears) return;
    item.dataset.result = known.bears;
    item.hidden = false;
  }

  /** Who chose text has a lamp too: one flame, or none without a line. @param {HTMLElement} room */
  function lightText(room) {
    const lamp = /** @type {HTMLElement} */ (room.querySelector("[data-lamp]"));
    const light = () => (lamp.dataset.level = room.dataset.connection === "offline" ? "0" : "1");
    new MutationObserver(light).observe(room, { attributes: true, attributeFilter: ["data-connection"] });
  }

  /** The messages of a call as a sheet from below. @param {HTMLElement} room @param {any} chat */
  function sheet(room, chat) {
    const open = /** @type {HTMLElement|null} */ (room.querySelector("[data-open-chat]"));
    const close = /** @type {HTMLElement|null} */ (room.querySelector("[data-close-chat]"));
    if (!open || !close) return;
    /** @param {boolean} shown */
    const show = (shown) => {
      room.dataset.chat = shown ? "open" : "";
      open.setAttribute("aria-expanded", String(shown));
      if (shown) chat.text.focus();
      else open.focus();
      chat.markRead();
    };
    open.addEventListener("click", () => show(room.dataset.chat !== "open"));
    close.addEventListener("click", () => show(false));
    room.addEventListener("keydown", (event) => event.key === "Escape" && room.dataset.chat === "open" && show(false));
  }

  document.querySelectorAll("[data-room]").forEach((room) => boot(/** @type {HTMLElement} */ (room)));
})(self);
