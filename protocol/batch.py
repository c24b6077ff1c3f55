"""Frames that travel together: measured once and encoded once, however many clients they go to."""

from collections.abc import Iterable, Sequence
from itertools import chain

from protocol import Frame, websocket


class Batch(list[Frame]):
    """Frames in order, made once and not changed then."""

    __slots__ = ("_measures", "_parts", "_wire")

    def __init__(self, frames: Iterable[Frame], parts: "Sequence[Batch]" = ()) -> None:
        super().__init__(frames)
        self._parts = parts
        self._measures: tuple[int, int] | None = None
        self._wire: bytes | None = None

    @classmethod
    def joined(cls, batches: "Sequence[Batch]") -> "Batch":
        """One batch of several, whose parts stay encoded."""
        return batches[0] if len(batches) == 1 else cls(chain.from_iterable(batches), batches)

    def measure(self) -> tuple[int, int]:
        """The bytes of all of them, and of the largest."""
        if self._measures is None:
            sizes = [_size(frame) for frame in self]
            self._measures = sum(sizes), max(sizes, default=0)
        return self._measures

    def wire(self) -> bytes:
        """All of them as WebSocket frames."""
        if self._wire is None:
            if self._parts:
                self._wire, self._parts = b"".join([part.wire() for part in self._parts]), ()
            elif len(self) == 1:  # as almost all are
                self._wire = websocket.encode(self[0])
            else:
                self._wire = b"".join([websocket.encode(frame) for frame in self])
        return self._wire


def _size(frame: Frame) -> int:
    """In bytes. Characters are (JSON escapes all but ASCII), save in a namespace's name that only its client knows."""
    return len(frame) if frame.isascii() or isinstance(frame, bytes) else len(frame.encode())
