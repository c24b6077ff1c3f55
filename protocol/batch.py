"""Frames that travel together: measured once and encoded once, however many clients they go to."""

from collections.abc import Iterable, Sequence

from protocol import Frame, websocket


class Batch(list[Frame]):
    """Frames in order. `size`: bytes of all of them, `largest`: of the largest. Made once, and not changed then."""

    __slots__ = ("_parts", "_wire", "largest", "size")

    def __init__(self, frames: Iterable[Frame], parts: "Sequence[Batch]" = ()) -> None:
        super().__init__(frames)
        self._wire: bytes | None = None
        self._parts = parts
        if len(self) == 1:  # as almost all are
            self.size = self.largest = _size(self[0])
        else:
            sizes = [_size(frame) for frame in self]
            self.size, self.largest = sum(sizes), max(sizes, default=0)

    @classmethod
    def joined(cls, batches: "list[Batch]") -> "Batch":
        """One batch of several, whose parts stay encoded."""
        if len(batches) == 1:
            return batches[0]
        whole = cls((), batches)
        for batch in batches:
            whole += batch
            whole.size += batch.size
            whole.largest = max(whole.largest, batch.largest)
        return whole

    def wire(self) -> bytes:
        """All of them as WebSocket frames."""
        if self._wire is None:
            if len(self) == 1:
                self._wire = websocket.encode(self[0])
            else:
                parts = [batch.wire() for batch in self._parts] or [websocket.encode(frame) for frame in self]
                self._wire, self._parts = b"".join(parts), ()
        return self._wire


def _size(frame: Frame) -> int:
    """In bytes. Characters are (JSON escapes all but ASCII), save in a namespace's name that only its client knows."""
    return len(frame) if frame.isascii() or isinstance(frame, bytes) else len(frame.encode())
