"""Every address that the site answers, whatever it is asked: the headers that protect whoever asked."""

import re

import pytest
import tornado.web
from tornado.routing import PathMatches, Rule

from handlers.assets import Assets
from handlers.base import SECURITY_HEADERS
from tests.handlers.conftest import FILES
from tests.polling import POLLING
from tests.websocket import QUERY, Answer, request

pytestmark = [pytest.mark.usefixtures("http_server"), pytest.mark.gen_test(timeout=30)]

METHODS = ("GET", "HEAD", "POST", "OPTIONS", "DELETE")
ROUTES = {
    r"/$": ("/",),
    r"/room$": ("/room", "/room?x=<script>"),
    r"/help$": ("/help",),
    r"/offline$": ("/offline",),
    r"/shell\.js$": ("/shell.js",),
    r"/site\.json$": ("/site.json",),
    r"/healthz$": ("/healthz",),
    r"/readyz$": ("/readyz",),
    r"/static/{}/(.+)$": (*(f"/static/{{}}/{name}" for name in FILES), "/static/{}/none.js"),
    r"/socket\.io/$": (*(f"/socket.io/?{query}" for query in (POLLING, QUERY, f"{POLLING}&sid=none")), "/socket.io/"),
}
"""Each rule's pattern, with examples of what it answers. {}: the build."""
NOWHERE = ("/nowhere", "/room/", "//evil.example/", "/%2e%2e/secret", "/socket.io", "/static/none/js/room.js")
REVEALING = {"server", "set-cookie", "etag", "x-powered-by", "via"}


def patterns(app: tornado.web.Application) -> set[str]:
    def of(rule: Rule) -> str:
        assert isinstance(rule.matcher, PathMatches)
        return rule.matcher.regex.pattern

    return {of(rule) for rule in app.wildcard_router.rules}


async def asked(port: int, method: str, path: str) -> Answer:
    return await request(port, f"{method} {path} HTTP/1.1\nHost: 127.0.0.1\nContent-Length: 0\nConnection: close\n\n")


def protects(answer: Answer, about: str) -> None:
    for name in SECURITY_HEADERS.keys() - {"Content-Security-Policy", "Cache-Control"}:
        wanted = SECURITY_HEADERS[name]
        if re.match(r"GET /room(\?.*)?: 200$", about):  # where voice messages are spoken, on this page and no other
            wanted = wanted.replace("microphone=()", "microphone=(self)")
        assert answer.headers.get(name.lower()) == wanted, (about, name)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; "), about
    assert "unsafe-inline" not in policy, about
    assert "unsafe-eval" not in policy.replace("'wasm-unsafe-eval'", ""), about
    assert not re.search(r"https?:|\*|data:", policy), about
    assert not REVEALING & answer.headers.keys(), about


@pytest.mark.parametrize("method", METHODS)
async def test_every_route_protects_whoever_asks(
    http_port: int, app: tornado.web.Application, assets: Assets, method: str
) -> None:
    assert {pattern.replace("{}", assets.build) for pattern in ROUTES} == patterns(app)
    for examples in (*ROUTES.values(), NOWHERE):
        for example in examples:
            path = example.format(assets.build)
            answer = await asked(http_port, method, path)
            about = f"{method} {path}: {answer.status}"
            assert 200 <= answer.status < 500, about
            protects(answer, about)
            kept = path.startswith(f"/static/{assets.build}/") and answer.status == 200
            expected = "public, max-age=31536000, immutable" if kept else "no-store"
            assert answer.headers["cache-control"] == expected, about
