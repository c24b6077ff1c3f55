"""How many connections an address may have, by whichever transport."""

import pytest
from tornado.platform.asyncio import BaseAsyncIOLoop

from handlers.address import Addresses
from handlers.client import Client
from handlers.connections import Connections
from protocol.session import Timing
from tests.fakes import Echo
from tests.handlers.conftest import MAX_PAYLOAD, until
from tests.polling import POLLING, Poller, Request
from tests.websocket import Answer, RawWebSocket, Refusal

pytestmark = [pytest.mark.usefixtures("http_server"), pytest.mark.gen_test]

HERE, ELSEWHERE = {"X-Forwarded-For": "198.51.100.1"}, {"X-Forwarded-For": "198.51.100.2"}


@pytest.fixture
def addresses() -> Addresses:
    return Addresses(["127.0.0.1"])


@pytest.fixture
def connections(io_loop: BaseAsyncIOLoop, echo: Echo) -> Connections:
    timing = Timing(max_payload=MAX_PAYLOAD)
    return Connections(
        lambda connection: Client(connection, {"/": echo}, MAX_PAYLOAD),
        timing,
        io_loop.asyncio_loop,
        at_most=4,
        at_most_each=2,
    )


async def polled(port: int, headers: dict[str, str]) -> Answer:
    return await (await Request.begin(port, POLLING, headers=headers)).answer()


async def test_one_more_than_an_address_may_have_is_refused_by_either_transport(
    http_port: int, connections: Connections
) -> None:
    first = await RawWebSocket.open(http_port, headers=HERE)
    assert (await polled(http_port, HERE)).status == 200
    answer = await polled(http_port, HERE)
    assert (answer.status, answer.headers["retry-after"]) == (429, "10")
    with pytest.raises(Refusal) as refused:
        await RawWebSocket.open(http_port, headers=HERE)
    assert refused.value.answer.status == 429
    other = await RawWebSocket.open(http_port, headers=ELSEWHERE)
    first.writer.transport.abort()
    await until(lambda: len(connections._open) == 2)
    again = await RawWebSocket.open(http_port, headers=HERE)
    assert (await polled(http_port, HERE)).status == 429
    for line in (other, again):
        line.writer.transport.abort()
    await until(lambda: len(connections._open) == 1)


async def test_an_upgrade_is_no_second_connection(http_port: int, connections: Connections) -> None:
    client = await Poller.open(http_port)
    assert (await polled(http_port, {})).status == 200
    upgrading = await RawWebSocket.open(http_port, f"EIO=4&transport=websocket&sid={client.sid}")
    upgrading.send("2probe")
    assert await upgrading.text() == "3probe"
    assert (await polled(http_port, {})).status == 429
    upgrading.writer.transport.abort()
    connections.close()


async def test_nobody_is_remembered_who_has_gone(http_port: int, connections: Connections) -> None:
    for _ in range(5):
        line = await RawWebSocket.open(http_port, headers=HERE)
        line.writer.transport.abort()
        await until(lambda: not connections._open)
    assert not connections._by_address
