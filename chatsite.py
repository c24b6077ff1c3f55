"""The front door: arguments to settings, settings to keys, broker, hub, chat and server, and a graceful end.

The only file that constructs the parts of the house and knows how they hang together.
"""

import argparse
import asyncio
import contextlib
import errno
import functools
import gc
import ipaddress
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import NoReturn

import tornado.httpserver
import tornado.web

import settings
import state
from envelope import ServerKey
from handlers import routes
from handlers.assets import Assets, AssetsMissing, read_assets
from handlers.base import NotFoundHandler
from handlers.client import Client
from handlers.connections import Connections
from handlers.line import Lines
from handlers.listener import Listener, listen
from handlers.pages import PageFacts
from protocol.session import Timing
from protocol.socketio import DEFAULT_NAMESPACE
from rooms.broker import Limits, MemoryBroker
from rooms.chat import ChatNamespace, Policy
from rooms.hub import Hub
from rooms.join import Door
from rooms.limits import Rate
from rooms.model import MAX_TEXT
from settings import Settings, SettingsError
from state import Certificate, StateError

HOUSE = Path(__file__).resolve().parent
CONFIG = HOUSE / "config" / "chatsite.toml"

USAGE_ERROR = 2
RSA_THREADS = 1
"""An RSA operation does not hold the interpreter's lock, what is around it does. One thread is enough for the nine
hundred clients a second that a core can seat; of two, one could be kept from running by the other while it holds the
lock that the loop waits for."""
RSA_NICENESS = 10
"""Where both want the same core, messages come before joins."""
COLLECT_AFTER = (20_000, 50, 50)
"""Objects that are made before the garbage collector looks for cycles, and how often it looks at older ones. When ten
thousand clients come back, a look at twice as many holds the loop up for over 10 ms, and more looks at older ones would
do so for a tenth of a second."""
BODY_SECONDS = 60.0
"""How long a request may take to bring its body."""
CLOSE_SECONDS = 5.0
"""How long connections may take to say goodbye."""


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
        asyncio.run(_serve(chosen))
    except (Failure, SettingsError, StateError, AssetsMissing) as failure:
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


def _step_back() -> None:
    """This thread gives way to the loop's, where the system knows niceness of threads (Linux)."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), RSA_NICENESS)


class Site:
    """All the parts of one running site."""

    def __init__(self, chosen: Settings, assets: Assets, salt: bytes, loop: asyncio.AbstractEventLoop) -> None:
        self._pool = ThreadPoolExecutor(RSA_THREADS, "join", _step_back)
        self._lines = Lines(loop)
        limits = Limits(
            chosen.log_size, chosen.message_ttl, chosen.empty_room_ttl, chosen.max_room_members, chosen.max_rooms
        )
        self.broker = MemoryBroker(limits, loop)
        self.chat = ChatNamespace(
            Door(ServerKey(), salt),
            self.broker,
            Hub(self._lines.soon),
            Policy(chosen.grace_time, chosen.message_ttl, Rate(chosen.event_rate, chosen.event_burst)),
            loop,
            functools.partial(loop.run_in_executor, self._pool),
        )
        timing = Timing(
            ping_interval=chosen.ping_interval,
            ping_timeout=chosen.ping_timeout,
            connect_timeout=chosen.connect_timeout,
            max_payload=chosen.max_payload,
            outbox_bytes=chosen.outbox_bytes,
        )
        namespaces = {DEFAULT_NAMESPACE: self.chat}
        self.connections = Connections(
            lambda connection: Client(connection, namespaces, chosen.max_payload), timing, loop, chosen.max_connections
        )
        facts = PageFacts(
            filter_punctuation=chosen.filter_punctuation,
            filter_links=chosen.filter_links,
            label_filtered=chosen.label_filtered,
            label_link=chosen.label_link,
            max_text=MAX_TEXT,
            version=version(),
        )
        self.application = tornado.web.Application(
            routes(assets, facts, salt, self.connections, self._lines, chosen.allowed_origins),
            default_handler_class=NotFoundHandler,
            template_path=str(HOUSE / "templates"),
            assets=assets,
            compress_response=True,  # nothing that is served is secret, so its compressed size tells nothing
            log_function=lambda handler: None,  # an access log is user data
        )

    async def start(self) -> None:
        """The rooms are open."""
        await self.chat.start()

    async def close(self) -> None:
        """Lets everybody go and leaves nothing behind."""
        self._lines.settle()  # what was said and answered until now is told first
        self.connections.close()
        await self._lines.close(CLOSE_SECONDS)
        await self.chat.close()
        await self.broker.close()
        # Joins that wait there belong to nobody any more and end at once; cancelled, each would look like a bug.
        await asyncio.to_thread(self._pool.shutdown)


async def _serve(chosen: Settings) -> None:
    _quiet_logs()
    assets = read_assets(HOUSE / "static")
    directory = state.open_directory(Path(chosen.state_directory or state.default_directory(os.environ)))
    salt, certificate = state.site_salt(directory), _certificate(chosen, directory)
    sockets = _bind(chosen)
    loop = asyncio.get_running_loop()
    site = Site(chosen, assets, salt, loop)
    await site.start()
    server = tornado.httpserver.HTTPServer(
        site.application,
        ssl_options=certificate.context if certificate else None,
        xheaders=chosen.behind_proxy,
        max_body_size=chosen.max_payload,
        body_timeout=BODY_SECONDS,
    )
    server.add_sockets(sockets)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    _collect_rarely()
    _announce(chosen, sockets[0].getsockname()[1], certificate)
    await stopped.wait()
    server.stop()
    await site.close()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(server.close_all_connections(), CLOSE_SECONDS)


def _collect_rarely() -> None:
    """What is here now stays, so that no collection looks at it again; what a message needs goes without any."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def _bind(chosen: Settings) -> Sequence[Listener]:
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
