"""What a media session tells its owner. Calls come on the event loop, one at a time, and must not block."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from media.adaptation.orders import LineNews, PublishOrder


class SessionListener(Protocol):
    def on_offer(self, session_id: str, sdp: str) -> None:
        """An SDP offer for the participant's browser; the server is always the offerer."""

    def on_connected(self, session_id: str) -> None:
        """ICE and DTLS are done: media can flow."""

    def on_path_lost(self, session_id: str) -> None:
        """Nothing heard for ``MediaConfig.path_lost_s``; the session waits for the peer to come back."""

    def on_path_restored(self, session_id: str) -> None:
        """Heard again after ``on_path_lost``."""

    def on_media(self, session_id: str, kind: str, active: bool) -> None:
        """First RTP of ``audio`` or ``video`` seen, or none for ``MediaConfig.media_silent_s``."""

    def on_order(self, session_id: str, order: "PublishOrder") -> None:
        """What the participant's page is to send from now on."""

    def on_line(self, participant_id: str, news: "LineNews") -> None:
        """How a member of the room is doing, this participant included."""

    def on_closed(self, session_id: str, reason: str) -> None:
        """The last call. Reasons: left, replaced, peer_closed, handshake_failed, silent, server_closed."""
