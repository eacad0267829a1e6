"""Values that identify or describe a patient never print themselves."""

from typing import Generic, TypeVar

T = TypeVar("T")


class Phi(Generic[T]):
    """Holds a value that logs must not show; ``reveal()`` is the explicit act of reading it."""

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def reveal(self) -> T:
        return self._value

    def __repr__(self) -> str:
        return "Phi(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "Phi(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Phi) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Phi value is not pickled: reveal it where it is stored")
