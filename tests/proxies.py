"""Starts the reverse proxies of config/ for real, at other ports and with another certificate; knows no test."""

import http.client
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import state
from tests.programs import ROOT
from tests.serving import kept_port

SECONDS = 20.0
CERTIFICATE = "own.pem"

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


@dataclass(frozen=True)
class Answer:
    """What came through a proxy."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass(frozen=True)
class Proxy:
    """One that runs: https at `port`, http at `plain`. `certificate`: its own, made by itself."""

    name: str
    port: int
    plain: int
    certificate: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def asked(self, path: str = "/", body: bytes | None = None, *, source: str = "127.0.0.1", **headers: str) -> Answer:
        """A GET, or a POST of this body, on a connection of its own; `_` in the names of headers stands for `-`."""
        line = http.client.HTTPSConnection(
            "localhost",
            self.port,
            context=ssl._create_unverified_context(),  # noqa: S323
            source_address=(source, 0),
            timeout=SECONDS,
        )
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            line.request("GET" if body is None else "POST", path, body, named)
            answer = line.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            line.close()


Make = Callable[[Path, str, Mapping[str, str], int, int], list[str]]
"""A command from: a folder, the name of an example, what to replace in it, the ports for https and http."""


def nginx(tmp: Path, example: str, changes: Mapping[str, str], port: int, plain: int) -> list[str]:
    pem = _certificate(tmp)
    site = _replaced(
        example,
        {
            "    listen [::]:80;\n": "",
            "    listen [::]:443 ssl;\n": "",
            "listen 80;": f"listen 127.0.0.1:{plain};",
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "/etc/ssl/chat.example/fullchain.pem": str(pem),
            "/etc/ssl/chat.example/privkey.pem": str(pem),
            **changes,
        },
    )
    (tmp / "nginx.conf").write_text(NGINX.format(tmp=tmp, site=site))
    return [_program("nginx", "/usr/sbin/nginx"), "-p", str(tmp), "-c", str(tmp / "nginx.conf")]


def caddy(tmp: Path, example: str, changes: Mapping[str, str], port: int, _plain: int) -> list[str]:
    pem = _certificate(tmp)
    address = {"chat.example {": f"https://localhost:{port} {{\n\tbind 127.0.0.1\n\ttls {pem} {pem}"}
    (tmp / "Caddyfile").write_text(CADDY.format(tmp=tmp, site=_replaced(example, {**address, **changes})))
    return [_program("caddy"), "run", "--config", str(tmp / "Caddyfile"), "--adapter", "caddyfile"]


def haproxy(tmp: Path, example: str, changes: Mapping[str, str], port: int, plain: int) -> list[str]:
    pem = _certificate(tmp)
    places = {
        "bind :80\n": f"bind 127.0.0.1:{plain}\n",
        "bind :443 ": f"bind 127.0.0.1:{port} ",
        "/etc/ssl/chat.example/all.pem": str(pem),
    }
    (tmp / "haproxy.cfg").write_text(_replaced(example, {**places, **changes}))
    return [_program("haproxy", "/usr/sbin/haproxy"), "-db", "-f", str(tmp / "haproxy.cfg")]


@contextmanager
def running(make: Make, example: str, changes: Mapping[str, str], tmp: Path) -> Iterator[Proxy]:
    """`changes`: what to replace in the example, each of it there at least once."""
    with kept_port() as port, kept_port() as plain, (tmp / "said").open("w+") as said:
        process = subprocess.Popen(
            make(tmp, example, changes, port, plain),
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
            yield Proxy(make.__name__, port, plain, tmp / CERTIFICATE)
        finally:
            process.terminate()
            process.wait(SECONDS)


def _certificate(tmp: Path) -> Path:
    pem = tmp / CERTIFICATE
    pem.write_text(state._make("localhost"))
    return pem


def _replaced(example: str, changes: Mapping[str, str]) -> str:
    text = (ROOT / "config" / example).read_text()
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def _program(name: str, *places: str) -> str:
    found = shutil.which(name) or next((place for place in places if Path(place).exists()), None)
    assert found, f"{name} is missing: tests/run installs it, or install Debian's package"
    return found
