"""What every page needs, put together once by candil.app."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from candil.bus.port import Bus
from candil.clock import Clock
from candil.config import Settings
from candil.consults.accounts import SignedIn
from candil.consults.finishing import FinishContext
from candil.consults.links import Seat
from candil.decoding.aio.decoder import Decoder
from candil.ids import IdSource
from candil.store.consults import ConsultRow
from candil.store.database import Database
from consent.wording import WordingCatalogue
from media.adaptation.policy import LadderPolicy
from webapp.assets import Assets
from webapp.templating import Templates


@dataclass(frozen=True)
class SocketTickets:
    """Mints tickets for the WebSocket; the signaling side checks them."""

    for_seat: Callable[[Seat, str], str]  # seat, session token
    for_consult: Callable[[SignedIn, ConsultRow, str, str], str]  # who, consult, doctor's participant id, session token
    for_board: Callable[[SignedIn, str], str]  # who, session token


@dataclass(frozen=True)
class WebContext:
    db: Database
    bus: Bus
    clock: Clock
    ids: IdSource
    settings: Settings
    finish: FinishContext
    tickets: SocketTickets
    assets: Assets
    templates: Templates
    share_texts: Callable[[ConsultRow, str, str], Mapping[str, str]]  # consult, link, locale -> sms, whatsapp, plain
    wordings: WordingCatalogue
    notify_outbox: Callable[[], None]
    ladder: LadderPolicy = field(default_factory=LadderPolicy)
    """What pages say of rungs and their needs; the clinic's own figures."""
    decoder: Decoder = field(default_factory=Decoder)

    @property
    def secure(self) -> bool:
        """Whether browsers reach us over TLS; cookies are Secure then."""
        return self.settings.server.public_url.startswith("https:")

    @property
    def origin(self) -> str:
        return self.settings.server.public_url.rstrip("/")


CONTEXT: web.AppKey[WebContext] = web.AppKey("context", WebContext)


def context(request: web.Request) -> WebContext:
    return request.config_dict[CONTEXT]
