"""The rungs of the ladder, poorest first."""

from enum import IntEnum

_TIERS = ("text", "audio", "audio", "stills", "low_video", "video", "video")


class Rung(IntEnum):
    """What one direction of one participant carries. Each rung includes the sound of the ones below it."""

    TEXT = 0
    EMERGENCY = 1
    AUDIO = 2
    STILLS = 3
    LOW_VIDEO = 4
    VIDEO = 5
    HD = 6

    @property
    def tier(self) -> str:
        """The word for people and for the record: ``video``, ``low_video``, ``stills``, ``audio`` or ``text``."""
        return _TIERS[self]

    @property
    def wire_name(self) -> str:
        """The rung's name in messages."""
        return self.name.lower()

    @classmethod
    def from_wire(cls, name: str) -> "Rung":
        """The rung of a message's name; ValueError when there is none."""
        try:
            return cls[name.upper()] if name == name.lower() else cls[""]
        except KeyError:
            raise ValueError(f"no such rung: {name!r}") from None
