"""The front door: arguments to settings, settings to a site and its sockets, and a graceful end."""

import argparse
import asyncio
import contextlib
import errno
import gc
import ipaddress
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import NoReturn

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerConnectionDelegate

import manifest
import settings
import state
from composition import CLOSE_SECONDS, HOUSE, Site
from handlers import redirects
from handlers.assets import AssetsMissing, read_assets
from handlers.listener import Listener, listen
from manifest import Manifest, Unreachable
from settings import Settings, SettingsError
from state import Certificate, StateError

CONFIG = HOUSE / "config" / "chatsite.toml"

DIFFERENT = 1
USAGE_ERROR = 2
LOOPBACK = "127.0.0.1"
COLLECT_AFTER = (20_000, 50, 50)
"""Objects that are made before the garbage collector looks for cycles, and how often it looks at older ones. When ten
thousand clients come back, a look at twice as many holds the loop up for over 10 ms, and more looks at older ones would
do so for a tenth of a second."""
BODY_SECONDS = 60.0
"""How long a request may take to bring its body."""
SOCKETS_EACH = 2
"""Of one connection: a client that polls uses two, one that waits and one that brings."""
VISITORS = 200
"""Sockets beside those, for pages and refusals: a browser opens six to fetch a page."""
OWN_FILES = 200
"""Descriptors that are not clients': files that are being served, selectors, listening sockets."""


class Failure(Exception):
    """Chatsite cannot start; the text is the one line that says why."""


class _Arguments(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Failure(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs Chatsite until it is told to stop; answers the exit status."""
    try:
        flags = _parse(arguments)
        chosen = _settings(flags)
        if flags.check_config:
            _check(chosen)
            print("the configuration is good")
            return 0
        if flags.manifest:
            print(manifest.written(asyncio.run(_given(chosen))[0]), end="")
            return 0
        if flags.compare:
            return _compare(chosen, flags.compare)
        asyncio.run(_serve(chosen))
    except (Failure, SettingsError, StateError, AssetsMissing, Unreachable) as failure:
        print(f"chatsite: {failure}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        pass  # before the signal handlers were there
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _Arguments(
        prog="chatsite.py", allow_abbrev=False, description="Private chat rooms, end-to-end encrypted, on your server."
    )
    parser.add_argument("--ip", metavar="HOST", help="address or name to listen on (default 127.0.0.1)")
    parser.add_argument("--port", help="port to listen on (default 5000)")
    parser.add_argument("--config", metavar="FILE", help="configuration file (default config/chatsite.toml)")
    parser.add_argument("--check-config", action="store_true", help="check the configuration and exit")
    parser.add_argument("--manifest", action="store_true", help="print the hashes of all that browsers are given")
    parser.add_argument("--compare", metavar="URL", help="compare what a running site gives browsers with these files")
    parser.add_argument("--version", action="version", version=f"chatsite {version()}")
    return parser.parse_args(arguments)


def version() -> str:
    """The version that is installed."""
    try:
        return metadata.version("chatsite")
    except metadata.PackageNotFoundError as error:
        raise Failure("it is not installed; run: pip install -e .") from error


def _settings(flags: argparse.Namespace) -> Settings:
    path = flags.config or os.environ.get("CHATSITE_CONFIG")
    given = {key: value for key, value in (("ip", flags.ip), ("port", flags.port)) if value is not None}
    return settings.load(Path(path) if path else CONFIG, os.environ, given)


def is_loopback(host: str) -> bool:
    """Whether browsers take pages from this host for secure without TLS: loopback addresses and localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        name = host.lower().rstrip(".")
        return name == "localhost" or name.endswith(".localhost")


def _certificate(chosen: Settings, directory: Path) -> Certificate | None:
    """What to serve https with; None where http will do."""
    if chosen.tls_certificate:
        return state.given_certificate(Path(chosen.tls_certificate), Path(chosen.tls_key))
    if chosen.behind_proxy or is_loopback(chosen.ip):
        return None
    return state.own_certificate(directory, chosen.ip)


def _check(chosen: Settings) -> None:
    """What would stop a start, as far as it can be known without changing anything."""
    read_assets(HOUSE / "static")
    if chosen.tls_certificate:
        state.given_certificate(Path(chosen.tls_certificate), Path(chosen.tls_key))


async def _given(chosen: Settings, url: str | None = None) -> tuple[Manifest, Manifest]:
    """What browsers are given with these files and settings, and what the site at an address gives them. To know the
    first, it is served on a port of this machine, and asked for."""
    assets = read_assets(HOUSE / "static")
    site = Site(chosen, assets, bytes(16), asyncio.get_running_loop(), vouched=False)
    server, sockets = HTTPServer(site.gate), listen(0, LOOPBACK)
    server.add_sockets(sockets)
    try:
        wanted = manifest.paths(assets)
        here = await manifest.read(f"http://{LOOPBACK}:{sockets[0].getsockname()[1]}", wanted)
        return here, here if url is None else await manifest.read(url, wanted)
    finally:
        server.stop()
        await site.close()
        await server.close_all_connections()


def _compare(chosen: Settings, url: str) -> int:
    """Says what a site gives out that these files would not; answers the exit status."""
    url = url.rstrip("/")
    if not url.startswith(("https://", "http://")):
        raise Failure(f"--compare = {url!r}: expected an address such as https://chat.example")
    here, there = asyncio.run(_given(chosen, url))
    found = manifest.differences(here, there)
    print("\n".join(found) if found else f"{len(here)} of {len(here)} are the same")
    return DIFFERENT if found else 0


async def _serve(chosen: Settings) -> None:
    _quiet_logs()
    assets = read_assets(HOUSE / "static")
    directory = state.open_directory(Path(chosen.state_directory or state.default_directory(os.environ)))
    salt, certificate = state.site_salt(directory), _certificate(chosen, directory)
    sockets = _bind(chosen)
    loop = asyncio.get_running_loop()
    site = Site(chosen, assets, salt, loop, vouched=certificate is None or not certificate.made)
    await site.start()
    server, plain = _server(site.gate, chosen), _server(redirects(), chosen)
    listener = Listener(
        sockets,
        server,
        at_most=_sockets(chosen),
        at_most_each=SOCKETS_EACH * chosen.connections_per_address + VISITORS,
        address_of=site.addresses.of_peer,
        tls=certificate.context if certificate else None,
        plain=plain,
    )
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    _collect_rarely()
    _announce(chosen, sockets[0].getsockname()[1], certificate)
    await stopped.wait()
    listener.stop()
    await site.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await server.close_all_connections()
            await plain.close_all_connections()


def _server(callback: HTTPServerConnectionDelegate, chosen: Settings) -> HTTPServer:
    return HTTPServer(
        callback,
        max_header_size=chosen.max_header,
        max_body_size=chosen.max_payload,
        body_timeout=BODY_SECONDS,
        idle_connection_timeout=chosen.idle_timeout,
    )


def _sockets(chosen: Settings) -> int:
    """How many sockets clients may have: as many as they need, if the system has them for us."""
    wanted = SOCKETS_EACH * chosen.max_connections + VISITORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return wanted if hard == resource.RLIM_INFINITY else max(1, min(wanted, hard - OWN_FILES))


def _collect_rarely() -> None:
    """What is here now stays, so that no collection looks at it again; what a message needs goes without any."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def _bind(chosen: Settings) -> Sequence[socket.socket]:
    try:
        return listen(chosen.port, chosen.ip)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Failure(f"port = {chosen.port}: in use on {chosen.ip}; expected a free port") from error
        if error.errno == errno.EACCES:
            raise Failure(f"port = {chosen.port}: not permitted; expected a port that this user may open") from error
        raise Failure(f"ip = {chosen.ip!r}: expected an address or name of this machine ({error.strerror})") from error


def _announce(chosen: Settings, port: int, certificate: Certificate | None) -> None:
    what = "Chatsite listens for its proxy" if chosen.behind_proxy else "Chatsite is open"
    lines = [f"{what}: {'https' if certificate else 'http'}://{_host_to_open(chosen.ip)}:{port}/"]
    if certificate and certificate.made:
        lines.append(f"Its certificate is self-made; browsers ask once. SHA-256 {certificate.fingerprint}")
    print("\n".join([*lines, "Stop it with Ctrl-C."]), flush=True)


def _host_to_open(ip: str) -> str:
    """As it stands in an address; this machine's name where every address is listened on, which none can open."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    if address.is_unspecified:
        return socket.gethostname()
    return f"[{ip}]" if address.version == 6 else ip


def _quiet_logs() -> None:
    """Warnings of ours; of Tornado's only bugs, since its warnings name addresses."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in ("tornado.access", "tornado.general"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


if __name__ == "__main__":
    sys.exit(main())
