"""Hears a client's bytes with protocol.websocket.Receiver, in pieces of any size; knows no socket."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from protocol.websocket import CloseCode, Event, FrameError, Nothing, Receiver, unmask

MAX_BYTES = 100_000
"""Of a message, where a test is about something else."""
FEW = 2000
"""Bytes that are heard one by one, too, by each test that hears so few."""


@dataclass(frozen=True)
class Heard:
    """What a receiver made of some bytes: its events in their order, and the code with which it refused the rest."""

    events: tuple[Event, ...]
    refused: CloseCode | None = None


def listen(
    pieces: Iterable[bytes], max_bytes: int = MAX_BYTES, unmask: Callable[[bytes, bytes], bytes] = unmask
) -> Heard:
    """Each piece is fed and heard to its end before the next. Nothing may follow a refusal or a close."""
    receiver = Receiver(max_bytes, unmask)
    events: list[Event] = []
    refused: CloseCode | None = None
    for piece in pieces:
        receiver.feed(piece)
        if refused is not None:
            assert receiver.next() is None, "an event after a refusal"
            continue
        try:
            while (event := receiver.next()) is not None:
                if event is not Nothing.YET:
                    events.append(event)
        except FrameError as error:
            refused = error.code
            assert receiver.next() is None, "an event after a refusal"
    return Heard(tuple(events), refused)


def hear(*data: bytes, max_bytes: int = MAX_BYTES) -> Heard:
    """What all of it is taken for, whether it comes as one piece or in small ones."""
    whole = b"".join(data)
    heard = listen([whole], max_bytes)
    for size in (1, 2, 3, 7) if len(whole) <= FEW else (1000,):
        assert listen(chopped(whole, size), max_bytes) == heard, f"in pieces of {size} it is something else"
    return heard


def chopped(data: bytes, size: int) -> Iterator[bytes]:
    return (data[begin : begin + size] for begin in range(0, len(data), size))


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """In pieces that end at these places, which may be any numbers: places outside and doubled ones make empty ones."""
    inside = sorted(min(place, len(data)) for place in places)
    return [data[begin:end] for begin, end in zip([0, *inside], [*inside, len(data)], strict=True)]
