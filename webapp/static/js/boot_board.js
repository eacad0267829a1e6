/** Wires the board: the socket says when to look again; without it the board looks by itself. */
(function (root) {
  "use strict";

  const Candil = root.Candil;
  const element = /** @type {HTMLElement|null} */ (document.querySelector("[data-board]"));
  if (!element) return;

  const board = new Candil.DoctorBoard(element);
  const connection = new Candil.Connection({
    ticketUrl: "/board/ticket",
    csrf: element.dataset.csrf,
    wsUrl: root.location.origin.replace(/^http/, "ws") + "/ws",
  });
  connection.on("board.changed", () => board.renew());
  connection.on("connection", (/** @type {string} */ state) => {
    if (state === "open") board.renew();
  });
  root.addEventListener("online", () => connection.reconnectNow());
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    connection.reconnectNow();
    board.renew();
  });
  connection.start();
})(/** @type {any} */ (self));
