"""Connections are accepted a few a turn of the loop, in the order in which they came."""

import asyncio
import socket

import pytest

from handlers.listener import ACCEPTS_A_TURN, Listener, listen


def test_more_than_a_few_have_to_wait_for_the_next_turn() -> None:
    async def scene() -> None:
        (listener,) = listen(0, "127.0.0.1")
        callers = [socket.create_connection(listener.getsockname()) for _ in range(2 * ACCEPTS_A_TURN + 3)]
        accepted: list[socket.socket] = []
        turns: list[int] = []
        try:
            while len(accepted) < len(callers):
                turns.append(accept_all(listener, accepted))
                await asyncio.sleep(0)
            assert turns == [ACCEPTS_A_TURN, ACCEPTS_A_TURN, 3]
            assert [each.getpeername() for each in accepted] == [each.getsockname() for each in callers]
        finally:
            for each in (*callers, *accepted, listener):
                each.close()

    asyncio.run(scene())


def accept_all(listener: Listener, accepted: list[socket.socket]) -> int:
    """As a server does that accepts what there is."""
    for count in range(1000):
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return count
        accepted.append(connection)
    pytest.fail("it never ends")
