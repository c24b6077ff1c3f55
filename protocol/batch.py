"""Frames that travel together: measured once and encoded once, however many clients they go to."""

from collections.abc import Iterator, Sequence
from typing import Any

from protocol import Frame, websocket


class Batch(Sequence[Frame]):
    """Frames in order, made once and not changed then; or those of several batches, which stay encoded."""

    __slots__ = ("_frames", "_measures", "_parts", "_wire")

    def __init__(self, frames: Sequence[Frame], parts: "Sequence[Batch]" = ()) -> None:
        self._frames = frames
        self._parts = parts
        self._measures: tuple[int, int] | None = None
        self._wire: bytes | None = None

    @classmethod
    def joined(cls, batches: "Sequence[Batch]") -> "Batch":
        """One batch of several."""
        return batches[0] if len(batches) == 1 else cls((), batches)

    def __iter__(self) -> Iterator[Frame]:
        yield from self._frames
        for part in self._parts:
            yield from part

    def __len__(self) -> int:
        return len(self._frames) + sum(map(len, self._parts))

    def __getitem__(self, at: Any) -> Any:  # noqa: ANN401 - as a list has it
        return list(self)[at]

    def measure(self) -> tuple[int, int]:
        """The bytes of all of them, and of the largest."""
        if self._measures is None:
            sizes = [_size(frame) for frame in self]
            self._measures = sum(sizes), max(sizes, default=0)
        return self._measures

    def wire(self) -> bytes:
        """All of them as WebSocket frames."""
        if self._wire is None:
            if len(self._frames) == 1:  # as it is mostly
                self._wire = websocket.encode(self._frames[0])
            else:
                own = [websocket.encode(frame) for frame in self._frames]
                self._wire = b"".join([*own, *[part.wire() for part in self._parts]])
        return self._wire


def _size(frame: Frame) -> int:
    """In bytes. Characters are (JSON escapes all but ASCII), save in a namespace's name that only its client knows."""
    return len(frame) if frame.isascii() or isinstance(frame, bytes) else len(frame.encode())
