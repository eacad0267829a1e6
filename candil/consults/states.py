"""The life of a consult and of a participant's admission, as data.

A consult's status uses FHIR Encounter's codes. Nothing but a person moves it on: an arrival by the patient,
an admission, a cancellation and the signature by the clinic. No disconnect, time-out or restart appears here.
"""

from candil.errors import Refused

CONSULT_MOVES: dict[tuple[str, str], str] = {
    ("planned", "arrive"): "arrived",
    ("arrived", "arrive"): "arrived",
    ("in-progress", "arrive"): "in-progress",
    ("planned", "start"): "in-progress",
    ("arrived", "start"): "in-progress",
    ("in-progress", "start"): "in-progress",
    ("planned", "cancel"): "cancelled",
    ("arrived", "cancel"): "cancelled",
    ("in-progress", "finish"): "finished",
}

ADMISSION_MOVES: dict[tuple[str, str], str] = {
    ("invited", "arrive"): "waiting",
    ("waiting", "arrive"): "waiting",
    ("admitted", "arrive"): "admitted",  # coming back needs no second admission
    ("refused", "arrive"): "refused",
    ("waiting", "admit"): "admitted",
    ("admitted", "admit"): "admitted",
    ("admitted", "hold"): "waiting",
    ("waiting", "hold"): "waiting",
    ("invited", "refuse"): "refused",
    ("waiting", "refuse"): "refused",
    ("admitted", "refuse"): "refused",
    ("refused", "hold"): "waiting",
}


def consult_after(status: str, move: str) -> str:
    """The next status; Refused when the move is not possible now."""
    return _after(CONSULT_MOVES, status, move)


def admission_after(admission: str, move: str) -> str:
    """The next admission; Refused when the move is not possible now."""
    return _after(ADMISSION_MOVES, admission, move)


def _after(moves: dict[tuple[str, str], str], state: str, move: str) -> str:
    try:
        return moves[state, move]
    except KeyError:
        raise Refused("not_now", f"cannot {move} while {state}") from None
