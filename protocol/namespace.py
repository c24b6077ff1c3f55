"""What a Socket.IO namespace and the connections that carry it owe each other; only the contract, no code.

Source: the Socket.IO protocol, revision 5 (sections "Connection to a namespace", "Disconnection").
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Protocol

from protocol import Frame, Json


class Departure(StrEnum):
    """How a client left a namespace: on purpose (and be it with its last frame), or because the line, the client or the
    server failed."""

    LEFT = "client namespace disconnect"
    LOST = "transport close"


class ConnectRefused(Exception):
    """Raised by `Namespace.authorize`; the text goes to the client as the message of a CONNECT_ERROR."""


class Socket(Protocol):
    """One client in one namespace, as a namespace sees it. Every method is silent once the client is gone."""

    @property
    def id(self) -> str:
        """The Socket.IO socket id: known to both sides, no secret, never the Engine.IO session id."""

    @property
    def address(self) -> bytes:
        """Where the client comes from: the same for all that share an address, and nobody can tell which."""

    def move(self, number: int) -> None:
        """What this client sends is best handled together with what others with the same number send: they talk with
        each other."""

    def order(self, say: "Callable[[Sequence[Frame]], None] | None") -> None:
        """From now on whatever is said to this client alone, acks too, goes to `say`, which brings it in order with
        what is said to many and hands it to `send`. None: no longer."""

    def emit(self, event: str, *args: Json) -> None:
        """Queues one event for this client."""

    def ask(self, event: str, *args: Json, answered: Callable[[list[Json]], None]) -> None:
        """Queues one event; its ack's arguments go to `answered`, once, or never if the client goes first."""

    def send(self, frames: Sequence[Frame], *, last: bool = False) -> None:
        """Queues frames as they are, encoded once for many clients perhaps (`protocol.socketio.encode`,
        `protocol.batch`). `last`: nothing more is expected to be said in this turn of the loop, so that they may leave
        at once."""

    def disconnect(self, *, for_good: bool = False) -> None:
        """Tells the client that it is out (it will not come back by itself) and forgets it. `for_good`: whatever else
        goes over its connection ends, too."""

    def drop(self) -> None:
        """Ends its connection as a broken line would, so that the client comes back by itself."""


class Namespace(Protocol):
    """What answers the events of one namespace. Calls about one socket come one after the other."""

    def authorize(self, auth: Json) -> None:
        """Raises ConnectRefused for a client that may not connect. `auth` is whatever it sent, or None."""

    def connected(self, socket: Socket) -> None:
        """The client has been told its socket id; from now on it may be sent events."""

    async def event(self, socket: Socket, name: str | int, args: list[Json]) -> list[Json]:
        """One event of this client; what it answers goes back as the ack, if one was asked for."""

    def disconnected(self, socket: Socket, departure: Departure) -> None:
        """The client is gone. Called once for each `connected`, except after `Socket.disconnect`."""
