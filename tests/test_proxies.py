"""The example configurations of reverse proxies, each started for real: people talk through it by either transport, and
the server knows them apart."""

import asyncio
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import state
from tests.client import Client
from tests.programs import ROOT
from tests.reference import Room
from tests.serving import Served, kept_port, serve

SECONDS = 20.0
SPOOFED = "203.0.113.9"

NGINX = """
daemon off;
pid {tmp}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
    client_body_temp_path {tmp}/body;
    proxy_temp_path {tmp}/proxy;
    fastcgi_temp_path {tmp}/fastcgi;
    uwsgi_temp_path {tmp}/uwsgi;
    scgi_temp_path {tmp}/scgi;
    {site}
}}
"""
CADDY = """
{{
	admin off
	auto_https disable_redirects
	storage file_system {tmp}
}}
{site}
"""


def certificate(tmp: Path) -> tuple[Path, Path]:
    pem = tmp / "own.pem"
    pem.write_text(state._make("localhost"))
    return pem, pem


def replaced(text: str, changes: dict[str, str]) -> str:
    """Each exactly as often as it must be there."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def nginx(tmp: Path, upstream: int, port: int, plain: int) -> list[str]:
    pem, key = certificate(tmp)
    site = replaced(
        (ROOT / "config" / "nginx.conf").read_text(),
        {
            "    listen [::]:80;\n": "",
            "    listen [::]:443 ssl;\n": "",
            "listen 80;": f"listen 127.0.0.1:{plain};",
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "127.0.0.1:5000": f"127.0.0.1:{upstream}",
            "/etc/ssl/chat.example/fullchain.pem": str(pem),
            "/etc/ssl/chat.example/privkey.pem": str(key),
        },
    )
    (tmp / "nginx.conf").write_text(NGINX.format(tmp=tmp, site=site))
    return [program("nginx", "/usr/sbin/nginx"), "-p", str(tmp), "-c", str(tmp / "nginx.conf")]


def caddy(tmp: Path, upstream: int, port: int, _plain: int) -> list[str]:
    pem, key = certificate(tmp)
    site = replaced(
        (ROOT / "config" / "Caddyfile").read_text(),
        {
            "chat.example {": f"https://localhost:{port} {{\n\tbind 127.0.0.1\n\ttls {pem} {key}",
            "127.0.0.1:5000": f"127.0.0.1:{upstream}",
        },
    )
    (tmp / "Caddyfile").write_text(CADDY.format(tmp=tmp, site=site))
    return [program("caddy"), "run", "--config", str(tmp / "Caddyfile"), "--adapter", "caddyfile"]


def program(name: str, *places: str) -> str:
    found = shutil.which(name) or next((place for place in places if Path(place).exists()), None)
    assert found, f"{name} is missing: tests/run installs it, or install Debian's package"
    return found


class Proxy:
    """One that runs in front of `served`."""

    def __init__(self, name: str, served: Served, port: int, plain: int) -> None:
        self.name = name
        self.served = served
        self.port = port
        self.plain = plain

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def asked(self, path: str = "/", *, source: str = "127.0.0.1", **headers: str) -> http.client.HTTPResponse:
        line = http.client.HTTPSConnection(
            "localhost",
            self.port,
            context=ssl._create_unverified_context(),  # noqa: S323
            source_address=(source, 0),
            timeout=SECONDS,
        )
        try:
            line.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = line.getresponse()
            answer.read()
            return answer
        finally:
            line.close()


@contextmanager
def started(name: str, make: Callable[[Path, int, int, int], list[str]], tmp: Path) -> Iterator[Proxy]:
    settings = {"behind_proxy": True, "proxies": "127.0.0.1", "connections_per_address": 2}
    with serve(**settings) as served, kept_port() as port, kept_port() as plain, (tmp / "said").open("w+") as said:  # type: ignore[arg-type]
        process = subprocess.Popen(
            make(tmp, served.port, port, plain),
            stdout=said,
            stderr=said,
            env={**os.environ, "HOME": str(tmp), "XDG_DATA_HOME": str(tmp), "XDG_CONFIG_HOME": str(tmp)},
        )
        try:
            deadline = time.monotonic() + SECONDS
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    said.seek(0)
                    assert process.poll() is None, said.read()
                    assert time.monotonic() < deadline, said.read()
                    time.sleep(0.1)
            yield Proxy(name, served, port, plain)
        finally:
            process.terminate()
            process.wait(SECONDS)
        assert served.stop() == 0
    assert served.stderr == ""


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def proxy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    make = {"nginx": nginx, "caddy": caddy}[request.param]
    with started(request.param, make, Path(tmp_path_factory.mktemp(request.param))) as proxy:
        yield proxy


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_people_talk_through_it(proxy: Proxy, transport: str) -> None:
    async def scene() -> None:
        room = Room.from_secret(os.urandom(32))
        async with Client(proxy.url, transports=[transport]) as one, Client(proxy.url, transports=[transport]) as two:
            await one.join(room, "One")
            await two.join(room, "Two")
            for number in range(20):
                assert await one.say(f"message {number}") == {"id": number + 1}
            await two.hears("get_message", 20)
            assert two.texts == [f"message {number}" for number in range(20)]
            assert one.line.transport() == two.line.transport() == transport

    asyncio.run(scene())


def test_pages_come_through_it_as_they_are(proxy: Proxy) -> None:
    through = proxy.asked()
    direct = http.client.HTTPConnection("127.0.0.1", proxy.served.port)
    direct.request("GET", "/", headers={"X-Forwarded-Proto": "https"})
    straight = direct.getresponse()
    assert through.status == straight.status == 200
    for name in straight.headers:
        if name not in {"Date", "Connection", "Content-Length", "Transfer-Encoding"}:
            assert through.headers[name] == straight.headers[name], name
    assert "Strict-Transport-Security" in through.headers
    assert "/" not in through.headers.get("Server", ""), "no version"
    direct.close()


def test_it_is_the_proxy_that_says_who_asks(proxy: Proxy) -> None:
    """Two connections an address: whatever somebody writes, the third is too many, and a neighbour's is not."""
    polling = "/socket.io/?EIO=4&transport=polling"
    statuses = [proxy.asked(polling, source="127.0.0.7", X_Forwarded_For=f"{SPOOFED}{n}").status for n in range(3)]
    assert statuses == [200, 200, 429]
    assert proxy.asked(polling, source="127.0.0.8").status == 200


@pytest.mark.parametrize("proxy", ["nginx"], indirect=True)  # Caddy does so by itself, on port 80 alone
def test_http_is_sent_on_to_https(proxy: Proxy) -> None:
    line = http.client.HTTPConnection("127.0.0.1", proxy.plain)
    line.request("GET", "/room?x=1", headers={"Host": "chat.example"})
    answer = line.getresponse()
    assert (answer.status, answer.headers["Location"]) == (308, "https://chat.example/room?x=1")
    line.close()
