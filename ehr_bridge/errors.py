"""What the bridge refuses, and whose fault it is."""

from candil.errors import CandilError


class MappingRefused(CandilError):
    """A signed record cannot be said in FHIR as it stands. ``field`` names the place in the record;
    the value itself is never part of the message, so it may be stored and logged."""

    status = 422

    def __init__(self, field: str, why: str) -> None:
        super().__init__("record_not_mappable", f"{field}: {why}", field=field)
        self.field = field
