"""Whose pages may ask by polling, and what browsers are told about it (CORS)."""

import asyncio
import json

import pytest

from handlers.connections import Connections
from tests.handlers.conftest import ALLOWED_ORIGIN
from tests.polling import POLLING, Poller, Request
from tests.websocket import Answer, RawWebSocket

pytestmark = [pytest.mark.usefixtures("http_server"), pytest.mark.gen_test]

CORS = ("access-control-allow-origin", "access-control-allow-credentials")


async def asked(port: int, query: str = POLLING, body: bytes | None = None, method: str = "", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await (await Request.begin(port, query, body, method=method, headers=named)).answer()


def allowed(answer: Answer) -> tuple[str | None, ...]:
    return tuple(answer.headers.get(name) for name in CORS)


async def test_a_listed_page_may_read_every_answer_errors_included(http_port: int) -> None:
    client = await Poller.open(http_port)
    for query, body, status in (
        (POLLING, None, 200),
        (client.query, b"40", 200),
        (client.query, None, 200),
        (client.query, b"x" * 1500, 413),
        (client.query, b"garbage", 400),
        (client.query, None, 400),
        ("EIO=3&transport=polling", None, 400),
        ("EIO=4", None, 400),
    ):
        answer = await asked(http_port, query, body, Origin=ALLOWED_ORIGIN)
        assert answer.status == status, query
        assert allowed(answer) == (ALLOWED_ORIGIN, "true"), query
        assert "Origin" in answer.headers["vary"]


async def test_a_listed_page_is_told_before_that_it_may(http_port: int, connections: Connections) -> None:
    answer = await asked(
        http_port,
        method="OPTIONS",
        Origin=ALLOWED_ORIGIN,
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="content-type,x-of-the-application",
    )
    assert (answer.status, answer.body) == (204, b"")
    assert allowed(answer) == (ALLOWED_ORIGIN, "true")
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "content-type,x-of-the-application"
    assert not connections._open


async def test_asking_for_leave_touches_no_session(http_port: int, connections: Connections) -> None:
    async with await RawWebSocket.open(http_port) as other:
        assert (await other.text())[0] == "0"
        client = await Poller.open(http_port)
        for sid in connections._open:
            for length in ("0", "30", "3000000"):
                request = await Request.begin(
                    http_port,
                    f"{POLLING}&sid={sid}",
                    method="OPTIONS",
                    headers={"Origin": ALLOWED_ORIGIN, "Content-Length": length},
                )
                if length == "30":
                    request.writer.write(b"x")
                    await asyncio.sleep(0.02)
                    request.cut()
                else:
                    assert (await request.answer()).status == (204 if length == "0" else 413)
        await client.say("40")
        assert len(connections._open) == 2


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "FOO"])
async def test_a_method_that_nobody_knows_is_a_bad_one_and_listed_pages_may_read_so(
    http_port: int, method: str
) -> None:
    for sid, error in (
        ("", {"code": 2, "message": "Bad handshake method"}),
        ("x", {"code": 1, "message": "Session ID unknown"}),
    ):
        answer = await asked(http_port, f"{POLLING}&sid={sid}", method=method, Origin=ALLOWED_ORIGIN)
        assert (answer.status, json.loads(answer.body)) == (400, error)
        assert allowed(answer) == (ALLOWED_ORIGIN, "true")


@pytest.mark.parametrize(
    "origin", ["null", "http://evil.example", "http://127.0.0.1:1", "https://chat.example.evil", "http://[", "*"]
)
async def test_pages_of_other_sites_are_refused_and_told_nothing(
    http_port: int, connections: Connections, origin: str
) -> None:
    client = await Poller.open(http_port)
    for query, body, method in (
        (POLLING, None, "GET"),
        (POLLING, None, "OPTIONS"),
        (client.query, b"1", "POST"),
        (client.query, None, "GET"),
        (f"{POLLING}&sid=nobody", None, "GET"),
    ):
        answer = await asked(http_port, query, body, method, Origin=origin)
        assert answer.status == 403
        assert json.loads(answer.body) == {"code": 4, "message": "Forbidden"}
        assert allowed(answer) == (None, None)
    assert list(connections._open) == [client.sid]


async def test_this_sites_pages_need_no_leave(http_port: int) -> None:
    answer = await asked(http_port, Origin=f"http://127.0.0.1:{http_port}", Sec_Fetch_Site="same-origin")
    assert answer.status == 200
    assert allowed(answer) == (None, None)


@pytest.mark.parametrize(("claim", "status"), [("cross-site", 403), ("same-origin", 200), ("none", 200)])
async def test_a_request_that_a_browser_calls_a_strangers_is_refused(
    http_port: int, connections: Connections, claim: str, status: int
) -> None:
    """A picture's address needs no Origin header, and would open a session for nobody."""
    assert (await asked(http_port, Sec_Fetch_Site=claim)).status == status
    assert len(connections._open) == (status == 200)
