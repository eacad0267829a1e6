"""Names of what travels on the bus. A message on a consult's topic only says "look into the database"."""

from candil.bus.port import Bus


def consult(consult_id: str) -> str:
    return f"consult:{consult_id}"


def doctor(doctor_id: str) -> str:
    """Everything that changes a doctor's board or line."""
    return f"doctor:{doctor_id}"


def node(node_id: str) -> str:
    """Requests to one process, from processes whose clients' media it carries."""
    return f"node:{node_id}"


def room(consult_id: str) -> str:
    """The claim on a consult's media room."""
    return f"room:{consult_id}"


def people(consult_id: str) -> str:
    """The presence group of a consult."""
    return f"people:{consult_id}"


def poke(bus: Bus, consult_id: str, doctor_id: str) -> None:
    """Tell every process that a consult changed: its people and its doctor's board look again."""
    bus.publish(consult(consult_id), {})
    bus.publish(doctor(doctor_id), {})
