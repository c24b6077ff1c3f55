"""How many requests an address may make: what more is told, and that nobody else is concerned."""

import pytest
import tornado.web
from tornado.httputil import HTTPServerConnectionDelegate

from handlers.address import Addresses
from handlers.base import SECURITY_HEADERS
from handlers.gate import Gate
from rooms.limits import Rate
from tests.fakes import FakeClock
from tests.polling import POLLING
from tests.websocket import QUERY, Answer, request

pytestmark = [pytest.mark.usefixtures("http_server"), pytest.mark.gen_test]

HERE, ELSEWHERE = "198.51.100.1", "198.51.100.2"


@pytest.fixture
def addresses() -> Addresses:
    return Addresses(["127.0.0.1"])


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def app(app: tornado.web.Application, addresses: Addresses, clock: FakeClock) -> HTTPServerConnectionDelegate:
    return Gate(app, addresses, Rate(per_second=1, burst=3), clock.time)


async def asked(port: int, path: str = "/healthz", address: str = HERE) -> Answer:
    return await request(
        port, f"GET {path} HTTP/1.1\nHost: 127.0.0.1\nConnection: close\nX-Forwarded-For: {address}\n\n"
    )


async def test_more_requests_than_an_address_may_make_are_told_to_wait(http_port: int, clock: FakeClock) -> None:
    assert [(await asked(http_port)).status for _ in range(4)] == [200, 200, 200, 429]
    assert (await asked(http_port, address=ELSEWHERE)).status == 200
    clock.advance(1)
    assert [(await asked(http_port)).status for _ in range(2)] == [200, 429]


@pytest.mark.parametrize(
    "path", ["/", "/room", "/healthz", "/nowhere", f"/socket.io/?{POLLING}", f"/socket.io/?{QUERY}"]
)
async def test_that_answer_is_empty_has_every_header_and_is_the_last_on_its_line(http_port: int, path: str) -> None:
    for _ in range(3):
        await asked(http_port)
    # It would like to go on: the answer ends with the line all the same.
    answer = await request(http_port, f"GET {path} HTTP/1.1\nHost: 127.0.0.1\nX-Forwarded-For: {HERE}\n\n")
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (429, b"", "10")
    assert {name: answer.headers[name.lower()] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "server" not in answer.headers
