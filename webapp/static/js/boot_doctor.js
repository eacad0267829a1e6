/** Wires the doctor's consult page: one connection, and a controller for each part of the page. */
(function (root) {
  "use strict";

  const Candil = root.Candil;
  const RESUMED_SHOWN_MS = 4000;
  const TICK_MS = 20000;

  const page = Candil.doctorPage();
  if (!page) return;

  const clientId = Candil.randomId();
  const store = new Candil.DoctorStore(page.base, clientId);
  const connection = new Candil.Connection({
    ticketUrl: page.base + "/ticket",
    csrf: page.csrf,
    wsUrl: root.location.origin.replace(/^http/, "ws") + "/ws",
    clientId,
    store,
  });
  const note = new Candil.DoctorNote(page, connection, store);
  const call = new Candil.DoctorCall(page, connection);
  const chat = new Candil.DoctorChat(page, connection);
  const codes = page.root.querySelector("[data-codes]");
  if (codes) new Candil.DoctorCodes(page, note.notes, codes);
  new Candil.DoctorDoor(page, connection, call);
  new Candil.DoctorPanels(page, note);
  new Candil.DoctorPhoto(page, connection);
  const mine = { base: page.base, csrf: page.csrf, me: page.me, chat, connection, call: call.call };
  const outgoing = Candil.outgoing(mine);
  const chatBox = /** @type {HTMLElement} */ (page.root.querySelector("[data-chat]"));
  Candil.voiceNotes(chatBox, outgoing, call.call);
  const picture = /** @type {HTMLInputElement} */ (chatBox.querySelector("[data-send-picture] input"));
  picture.addEventListener("change", async () => {
    const file = picture.files && picture.files[0];
    picture.value = "";
    const bar = chatBox.querySelector("[data-picture-bar]");
    if (!file) return;
    try {
      const [sender] = await Promise.all([outgoing(), Candil.later("picture")]);
      await Candil.confirmPicture(bar, sender, file);
    } catch (error) {
      Candil.showState(bar, "failed"); // no line to bring the script
    }
  });

  let wasOffline = false;
  connection.on("connection", (/** @type {string} */ state, /** @type {string} */ detail) => {
    Candil.show(document.querySelector("[data-offline]"), state === "offline");
    Candil.show(document.querySelector("[data-over=replaced]"), state === "replaced");
    Candil.show(document.querySelector("[data-over=ended]"), state === "ended" && detail !== "finished");
    line(state === "slow" ? "slow" : state === "open" && wasOffline ? "resumed" : "");
    wasOffline = state === "offline" || (wasOffline && state !== "open");
    if (state === "replaced" || state === "ended") note.lock();
  });
  line("connecting");

  connection.on("state", (/** @type {any} */ view) => {
    if (view.consult.status === "finished") signed();
    const elapsed = /** @type {HTMLElement} */ (document.querySelector("[data-elapsed]"));
    elapsed.dataset.elapsed = String(view.consult.started_at || "");
    tick();
  });

  function signed() {
    Candil.show(document.querySelector("[data-over=signed]"), true);
    Candil.show(document.querySelector("[data-open-panel=invite]"), false);
    Candil.show(document.querySelector("[data-compose]"), false);
    for (const bar of document.querySelectorAll(".voice-bar")) Candil.showState(bar, "");
    note.lock();
  }

  /** @param {string} when which sentence about the connection stands in the header */
  function line(when) {
    for (const sentence of document.querySelectorAll("[data-connection] [data-when]")) {
      Candil.show(sentence, /** @type {HTMLElement} */ (sentence).dataset.when === when);
    }
    if (when === "resumed") root.setTimeout(() => line(""), RESUMED_SHOWN_MS);
  }

  function tick() {
    const elapsed = /** @type {HTMLElement} */ (document.querySelector("[data-elapsed]"));
    const since = Number(elapsed.dataset.elapsed);
    if (!since) return;
    const now = Date.now() / 1000 + connection.clockOffsetS;
    elapsed.textContent = (elapsed.dataset.word || "").replace("{m}", String(Math.max(0, Math.floor((now - since) / 60))));
  }

  root.setInterval(tick, TICK_MS);
  root.addEventListener("online", () => connection.reconnectNow());
  document.addEventListener("visibilitychange", () => !document.hidden && connection.reconnectNow());
  document.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (!event.altKey || event.ctrlKey || event.metaKey) return;
    /** @type {Record<string, () => void>} */
    const shortcuts = {
      KeyM: () => call.toggleMicrophone(),
      KeyC: () => chat.focus(),
      KeyR: () => note.prescriptions.add(),
      KeyV: () => /** @type {HTMLElement} */ (document.querySelector("[data-voice-button]")).click(),
      KeyN: () => /** @type {HTMLElement} */ (document.getElementById("note-findings")).focus(),
    };
    const act = shortcuts[event.code];
    if (!act || (note.isSigned && event.code === "KeyR")) return;
    event.preventDefault();
    act();
  });
  connection.start();
})(/** @type {any} */ (self));
