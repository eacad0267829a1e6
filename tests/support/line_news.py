"""News of a line as the server tells them, put into a page's own socket: states that no test line brings by itself."""

import json
import time
from typing import Any

from tests.support.browser import Person

# While self.__lineNews is set, the server's own news are held back and ours take their place.
SOCKETS = """(() => {
  const Native = self.WebSocket;
  self.__sockets = [];
  self.WebSocket = class extends Native {
    constructor(...given) {
      super(...given);
      self.__sockets.push(this);
      this.addEventListener("message", (event) => {
        const isTheirs = event.isTrusted && event.data.indexOf('"media.line"') >= 0;
        if (self.__lineNews && isTheirs) event.stopImmediatePropagation();
      });
    }
  };
})();"""
SAY = """(text) => {
  self.__lineNews = true;
  const open = self.__sockets.filter((socket) => socket.readyState === 1);
  open[open.length - 1].dispatchEvent(new MessageEvent("message", { data: text }));
}"""


def way(rung: str, reason: str = "", capacity_bps: int = 0, needed_bps: int = 0) -> dict[str, Any]:
    """One direction of a ``media.line`` message."""
    tier = {"emergency": "audio", "hd": "video"}.get(rung, rung)
    return {
        "rung": rung,
        "tier": tier,
        "reason": reason,
        "capacity_bps": capacity_bps,
        "needed_bps": needed_bps,
        "since": time.time(),
    }


async def watch_sockets(someone: Person) -> None:
    """Before the page is opened."""
    await someone.context.add_init_script(SOCKETS)


async def tell(someone: Person, participant: str, down: dict[str, Any], up: dict[str, Any]) -> None:
    """Say how the line of ``participant`` is to somebody's page."""
    message = {"type": "media.line", "participant": participant, "down": down, "up": up}
    await someone.page.evaluate(SAY, json.dumps(message))
