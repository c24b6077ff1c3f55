"""Listening sockets that hand out a few connections a turn of the loop, whoever asks; knows no requests."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import tornado.netutil

BACKLOG = 4096
"""Connections that the system keeps for us, oldest first. Whom it has no room for tries again ever more rarely: a short
queue would serve those last who have waited longest."""
ACCEPTS_A_TURN = 3
"""A new connection costs half a millisecond, with TLS more. When ten thousand clients come back at once, others have
their turn in between."""


class Listener(socket.socket):
    """One listening socket. What is not accepted in this turn is there in the next."""

    _left = ACCEPTS_A_TURN

    def accept(self) -> tuple[socket.socket, Any]:
        """As of any socket that does not block: raises BlockingIOError where there is nothing to accept now."""
        if not self._left:
            raise BlockingIOError
        accepted = super().accept()
        if self._left == ACCEPTS_A_TURN:
            asyncio.get_running_loop().call_soon(self._begin_turn)
        self._left -= 1
        return accepted

    def _begin_turn(self) -> None:
        self._left = ACCEPTS_A_TURN


def listen(port: int, address: str) -> Sequence[Listener]:
    """One for each address that a name stands for; port 0 takes any free one. Raises OSError."""
    return [
        Listener(bound.family, bound.type, bound.proto, bound.detach())
        for bound in tornado.netutil.bind_sockets(port, address, backlog=BACKLOG)
    ]
