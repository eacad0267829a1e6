"""Every message of the protocol as a frozen class; the wire type is its tag. PROTOCOL.md says what each means."""

from typing import Annotated, Any, ClassVar, get_args

import msgspec
from msgspec import Meta

from candil.consults.gallery import Brief
from candil.errors import PeerError
from signaling.line_messages import Limit, MeasuredLine, MediaLimit, MediaReport
from signaling.message_base import AboutSession, Id, Incoming, Number, Outgoing
from signaling.photo_messages import PhotoAnswer, PhotoRequest

MAX_MESSAGE_BYTES = 64 * 1024
MAX_DEPTH = 8
VERSION = 1

Sdp = Annotated[str, Meta(min_length=1, max_length=48 * 1024)]


class Hello(Incoming, frozen=True, tag="hello"):
    act: ClassVar[str] = "session.open"
    versions: Annotated[list[int], Meta(max_length=16)]
    ticket: Annotated[str, Meta(max_length=2048)]
    client_id: Id
    last_event: Number = 0
    last_message: Number = 0
    note_revision: Number = 0
    epoch: Annotated[str, Meta(max_length=40)] = ""
    visibility: Annotated[str, Meta(max_length=16)] = ""


class Ping(Incoming, frozen=True, tag="ping"):
    act: ClassVar[str] = "session.open"
    at: float = 0.0


class Numbered(Incoming, frozen=True):
    """A durable message: (client_id, client_seq) is its idempotency key."""

    client_id: Id
    client_seq: Number

    @property
    def ref(self) -> int:
        return self.client_seq


class MessageSend(Numbered, frozen=True, tag="message.send"):
    act: ClassVar[str] = "message.send"
    body: Annotated[str, Meta(max_length=20_000)]  # the use case knows the limit; this one guards memory


class MessageSeen(Incoming, frozen=True, tag="message.seen"):
    act: ClassVar[str] = "message.seen"
    delivered: Number
    read: Number


class NoteWrite(Numbered, frozen=True, tag="note.write"):
    act: ClassVar[str] = "note.write"
    base_revision: Number
    field: Annotated[str, Meta(max_length=80)]
    value: Annotated[str, Meta(max_length=20_000)]


class AboutParticipant(Incoming, frozen=True):
    participant: Id

    @property
    def ref(self) -> str:
        return self.participant


class Admit(AboutParticipant, frozen=True, tag="participant.admit"):
    act: ClassVar[str] = "participant.admit"


class Hold(AboutParticipant, frozen=True, tag="participant.hold"):
    act: ClassVar[str] = "participant.hold"


class Refuse(AboutParticipant, frozen=True, tag="participant.refuse"):
    act: ClassVar[str] = "participant.refuse"


class ConversationEnd(Incoming, frozen=True, tag="conversation.end"):
    act: ClassVar[str] = "conversation.end"


class ConversationReopen(Incoming, frozen=True, tag="conversation.reopen"):
    act: ClassVar[str] = "conversation.reopen"


class MediaJoin(Incoming, frozen=True, tag="media.join"):
    act: ClassVar[str] = "room.join"
    audio: bool = True
    video: bool = True
    line: MeasuredLine | None = None
    limit: Limit | None = None

    @property
    def ref(self) -> str:
        return "media.join"


class MediaAnswer(AboutSession, frozen=True, tag="media.answer"):
    sdp: Sdp


class MediaReceive(AboutSession, frozen=True, tag="media.receive"):
    audio: bool
    video: bool


class MediaLeave(AboutSession, frozen=True, tag="media.leave"):
    act: ClassVar[str] = "room.leave"


class MediaDevices(Incoming, frozen=True, tag="media.devices"):
    act: ClassVar[str] = "room.join"
    microphone: bool
    camera: bool


ClientMessage = (
    Hello
    | Ping
    | MessageSend
    | MessageSeen
    | NoteWrite
    | Admit
    | Hold
    | Refuse
    | ConversationEnd
    | ConversationReopen
    | MediaJoin
    | MediaAnswer
    | MediaReceive
    | MediaLeave
    | MediaDevices
    | MediaLimit
    | MediaReport
    | PhotoRequest
    | PhotoAnswer
)
# What a consult's media room is told, in the process that has it.
SessionMessage = MediaAnswer | MediaReceive | MediaLeave | MediaLimit | MediaReport
MediaMessage = MediaJoin | SessionMessage
RoomMessage = MediaMessage | MediaDevices


def wire_type(kind: type[msgspec.Struct] | msgspec.Struct) -> str:
    return str(kind.__struct_config__.tag)


CLIENT_TYPES: dict[str, type[Incoming]] = {wire_type(kind): kind for kind in get_args(ClientMessage)}


class Welcome(Outgoing, frozen=True, tag="welcome"):
    version: int
    epoch: str
    server_time: float
    heartbeat_s: int
    participant: str
    role: str
    resume: str


class Pong(Outgoing, frozen=True, tag="pong", omit_defaults=True):
    """``resume`` when the page's last one is no longer fresh."""

    at: float
    resume: str = ""


class ConsultView(msgspec.Struct, frozen=True):
    id: str
    status: str
    conversation_ended: bool
    scheduled_at: float
    started_at: float | None
    finished_at: float | None


class ParticipantView(msgspec.Struct, frozen=True):
    """``online``, ``microphone`` and ``camera`` are what the page last said."""

    id: str
    role: str
    name: str
    admission: str
    media: str
    online: bool
    microphone: bool
    camera: bool
    waiting_since: float | None
    delivered: int
    read: int


class Line(msgspec.Struct, frozen=True):
    position: int
    length: int


class State(Outgoing, frozen=True, tag="state"):
    consult: ConsultView
    participants: tuple[ParticipantView, ...]
    line: Line | None


class Event(Outgoing, frozen=True, tag="event"):
    seq: int
    kind: str
    actor: str
    at: float
    data: msgspec.Raw


class Message(Outgoing, frozen=True, tag="message", omit_defaults=True):
    seq: int
    sender: str
    body: str
    at: float
    client_id: str
    client_seq: int
    attachment: Brief | None = None


class Note(Outgoing, frozen=True, tag="note"):
    revision: int
    field: str
    value: str
    outcome: str
    client_id: str
    client_seq: int
    at: float


class NoteField(msgspec.Struct, frozen=True):
    value: str
    revision: int


class NoteConflict(msgspec.Struct, frozen=True):
    field: str
    value: str
    revision: int


class WholeNote(msgspec.Struct, frozen=True):
    revision: int
    fields: dict[str, NoteField]
    conflicts: tuple[NoteConflict, ...]


class Sync(Outgoing, frozen=True, tag="sync"):
    """What happened after the numbers in ``hello``; ``visibility`` goes back into the next one."""

    state: State
    events: tuple[Event, ...]
    messages: tuple[Message, ...]
    note: WholeNote | None
    more: bool
    visibility: str


class MessageAck(Outgoing, frozen=True, tag="message.ack"):
    client_id: str
    client_seq: int
    seq: int
    at: float


class NoteAck(Outgoing, frozen=True, tag="note.ack"):
    client_id: str
    client_seq: int
    revision: int
    outcome: str


class Error(Outgoing, frozen=True, tag="error", omit_defaults=True):
    code: str
    message: str
    ref: str | int | None = None
    client_id: str | None = None
    field: str | None = None
    retry_after_s: float | None = None


class MediaOffer(Outgoing, frozen=True, tag="media.offer"):
    session: str
    sdp: str
    ice_servers: list[dict[str, object]]


class MediaIce(Outgoing, frozen=True, tag="media.ice"):
    session: str
    ice_servers: list[dict[str, object]]


class MediaState(Outgoing, frozen=True, tag="media.state"):
    session: str
    state: str


class MediaClosed(Outgoing, frozen=True, tag="media.closed"):
    session: str
    reason: str


class BoardChanged(Outgoing, frozen=True, tag="board.changed"):
    pass


class Bye(Outgoing, frozen=True, tag="bye", omit_defaults=True):
    code: str
    retry: bool
    versions: tuple[int, ...] | None = None


class _Envelope(msgspec.Struct):
    type: str
    client_id: Any = None
    client_seq: Any = None


_envelope = msgspec.json.Decoder(_Envelope)
_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(ClientMessage)
_encoder = msgspec.json.Encoder()


def encode(message: Outgoing) -> str:
    return _encoder.encode(message).decode()


def decode(data: bytes) -> Incoming:
    """The message. Raises PeerError: ``malformed_json`` when it is no JSON object of ours at all, ``unknown_type``,
    or ``malformed`` when a field is missing or wrong."""
    if len(data) > MAX_MESSAGE_BYTES:
        raise PeerError("too_big", f"A message has at most {MAX_MESSAGE_BYTES} bytes.")
    if _depth(data) > MAX_DEPTH:
        raise PeerError("malformed_json", "The message is nested too deeply.")
    try:
        envelope = _envelope.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise PeerError("malformed_json", "The message is not a JSON object with a type.") from None
    about = _identity(envelope)
    if envelope.type not in CLIENT_TYPES:
        raise PeerError("unknown_type", "There is no such message.", **about)
    try:
        message: Incoming = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        # The text names fields and types of our own, never a value of the peer's.
        reason = str(error) if isinstance(error, msgspec.ValidationError) else "malformed"
        raise PeerError("malformed", reason, **about) from None
    if any(isinstance(value, str) and "\x00" in value for value in msgspec.structs.astuple(message)):
        raise PeerError("malformed", "A text may not hold NUL.", **about)
    return message


def _identity(envelope: _Envelope) -> dict[str, object]:
    """What a refused message was about, so that its sender need not repeat it for ever."""
    about: dict[str, object] = {}
    if isinstance(envelope.client_seq, int):
        about["ref"] = envelope.client_seq
    if isinstance(envelope.client_id, str) and len(envelope.client_id) <= 40:
        about["client_id"] = envelope.client_id
    return about


def _depth(data: bytes) -> int:
    """Deepest nesting of brackets outside strings; stops counting where it is already too deep."""
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return 0
    deepest = depth = 0
    in_string = escaped = False
    for byte in data:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
            if deepest > MAX_DEPTH:
                break
        elif byte in b"]}":
            depth -= 1
    return deepest
