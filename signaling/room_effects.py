"""What a consult's media room wants done, and for whom."""

from dataclasses import dataclass

from candil.store.line_history import LineRow
from media.adaptation.orders import LineHint
from signaling.line_messages import Limit
from signaling.messages import Outgoing
from signaling.modality import Modality


@dataclass(frozen=True)
class Page:
    """One loaded page of one participant, and the process its socket is connected to."""

    participant_id: str
    client_id: str
    node_id: str

    def is_same(self, other: "Page") -> bool:
        return (self.participant_id, self.client_id) == (other.participant_id, other.client_id)


@dataclass(frozen=True)
class OpenSession:
    """Then ``opened`` with its id, or ``not_opened``."""

    page: Page
    audio: bool
    video: bool
    hint: LineHint | None = None
    limit: Limit | None = None


@dataclass(frozen=True)
class AnswerSession:
    session_id: str
    sdp: str


@dataclass(frozen=True)
class SetWanted:
    session_id: str
    audio: bool
    video: bool


@dataclass(frozen=True)
class SetDevices:
    """Which devices of the session's participant are on."""

    session_id: str
    microphone: bool
    camera: bool


@dataclass(frozen=True)
class SetLimit:
    """Ceilings of what a session's participant sends and receives."""

    session_id: str
    limit: Limit


@dataclass(frozen=True)
class BrowserEstimate:
    """What the browser believes its uplink bears."""

    session_id: str
    bps: int


@dataclass(frozen=True)
class ResendOffer:
    session_id: str


@dataclass(frozen=True)
class CloseSession:
    session_id: str
    reason: str


@dataclass(frozen=True)
class Tell:
    page: Page
    message: Outgoing


@dataclass(frozen=True)
class TellOffer:
    """Send ``media.offer`` with relay credentials minted now."""

    page: Page
    session_id: str
    sdp: str


@dataclass(frozen=True)
class RenewIce:
    page: Page
    session_id: str


@dataclass(frozen=True)
class Report:
    participant_id: str
    modality: Modality


@dataclass(frozen=True)
class RecordLines:
    """Keep rows of the line's history; ``not_recorded`` when that fails."""

    rows: tuple[LineRow, ...]


SessionEffect = AnswerSession | SetWanted | SetDevices | SetLimit | BrowserEstimate | ResendOffer | CloseSession
Effect = OpenSession | SessionEffect | Tell | TellOffer | RenewIce | Report | RecordLines
