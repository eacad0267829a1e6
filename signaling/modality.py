"""How the patient really takes part, for the visit's record: by video, by voice only, or in writing."""

from typing import Literal

Modality = Literal["video", "audio", "text"]
SETTLE_S = 2.0  # shorter changes are noise of the line


class ModalityTracker:
    """Follows one person's media over all their sessions; ``due`` says when a change has lasted."""

    def __init__(self) -> None:
        self._active: dict[str, set[str]] = {}
        self._paths: dict[str, bool] = {}
        self._candidate: Modality = "text"
        self._since: float | None = None
        self._reported: Modality | None = None

    def path(self, session_id: str, alive: bool, now: float) -> None:
        """The session's packets get through, or no longer do."""
        self._paths[session_id] = alive
        self._look(now)

    def media(self, session_id: str, kind: str, active: bool, now: float) -> None:
        kinds = self._active.setdefault(session_id, set())
        (kinds.add if active else kinds.discard)(kind)
        self._look(now)

    def ended(self, session_id: str, now: float) -> None:
        self._active.pop(session_id, None)
        self._paths.pop(session_id, None)
        self._look(now)

    @property
    def deadline(self) -> float | None:
        return None if self._since is None else self._since + SETTLE_S

    def due(self, now: float) -> Modality | None:
        """The modality to report now, once."""
        if self._since is None or now < self._since + SETTLE_S:
            return None
        self._since, self._reported = None, self._candidate
        return self._candidate

    def _look(self, now: float) -> None:
        modality = self._current()
        if modality == self._reported:
            self._since = None
        elif modality != self._candidate or self._since is None:
            self._since = now
        self._candidate = modality

    def _current(self) -> Modality:
        kinds = {kind for session_id, active in self._active.items() if self._paths.get(session_id) for kind in active}
        if "video" in kinds:
            return "video"
        return "audio" if "audio" in kinds else "text"
