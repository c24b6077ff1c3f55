"""One run of the server: its sockets and signals, and a graceful end. Knows nothing of arguments."""

import asyncio
import contextlib
import dataclasses
import errno
import ipaddress
import logging
import os
import resource
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerConnectionDelegate

import logs
import metrics
import settings
import state
from composition import CLOSE_SECONDS, HOUSE, NoBroker, Rules, Site, shared_ground
from handlers import redirects
from handlers.assets import Assets, read_assets
from handlers.listener import Listener, listen
from memory import Keeper
from service import ServiceManager
from settings import MEMORY, Settings, SettingsError
from state import Certificate, StateError

BUG = 70
"""EX_SOFTWARE of sysexits.h."""
LOOPBACK = "127.0.0.1"
BODY_SECONDS = 60.0
"""How long a request may take to bring its body."""
SOCKETS_EACH = 2
"""Of one connection: a client that polls uses two, one that waits and one that brings."""
VISITORS = 200
"""Sockets beside those, for pages and refusals: a browser opens six to fetch a page."""
TLS_FILES = ("tls_certificate", "tls_key")
OWN_FILES = 200
"""Descriptors that are not clients': files that are being served, selectors, listening sockets."""
ROOMS = ("handlers", "protocol", "rooms")
"""Where this project's code lies, beside the files of the house itself."""

logger = logging.getLogger("chatsite")


class Failure(Exception):
    """Chatsite cannot start; the text is the one line that says why."""


def is_loopback(host: str) -> bool:
    """Whether browsers take pages from this host for secure without TLS: loopback addresses and localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        name = host.lower().rstrip(".")
        return name == "localhost" or name.endswith(".localhost")


def _waiting(before: Settings, fresh: Settings, *, secure: bool) -> list[str]:
    """The settings that have another value which SIGHUP has not brought into effect; those of TLS it has if secure."""
    rules, read = Rules.of(before), TLS_FILES if secure else ()
    return [
        name
        for name in sorted(settings.differing(before, fresh))
        if name not in read and Rules.of(dataclasses.replace(before, **{name: getattr(fresh, name)})) == rules
    ]


def _certificate(chosen: Settings, directory: Path) -> Certificate | None:
    """What to serve https with; None where http will do."""
    if chosen.tls_certificate:
        return state.given_certificate(Path(chosen.tls_certificate), Path(chosen.tls_key))
    if chosen.behind_proxy or is_loopback(chosen.ip):
        return None
    return state.own_certificate(directory, chosen.ip)


class _End:
    """Why the process ends: it was asked to, or something that nobody expected has happened. `status` is for exit."""

    def __init__(self) -> None:
        self.status = 0
        self._come = asyncio.Event()

    def asked(self) -> None:
        self._come.set()

    def bug(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback or a task of ours has failed: what it was to do is not done, and nobody knows what else is not. It
        is better to begin anew. Of others' tasks (Tornado's), each is about one request."""
        task = context.get("task") or context.get("future")
        ours = "handle" in context or (isinstance(task, asyncio.Task) and _is_ours(task))
        if not ours:
            loop.default_exception_handler(context)
            return
        logger.critical("a bug ends this process: %s", context.get("message"), exc_info=context.get("exception"))
        self.status = BUG
        self._come.set()

    async def wait(self) -> None:
        await self._come.wait()


def _is_ours(task: "asyncio.Task[Any]") -> bool:
    """Whether it runs this project's code, wherever that lies: beside packages of others, once it is installed."""
    code = getattr(task.get_coro(), "cr_code", None)
    path = Path(code.co_filename) if code else Path()
    return path.parent == HOUSE or any(path.is_relative_to(HOUSE / room) for room in ROOMS)


async def serve(chosen: Settings, read_again: Callable[[], Settings]) -> int:
    """Serves until it is told to stop, or until a bug ends it; answers the exit status. `read_again` answers the
    settings as they stand now. Raises Failure, StateError, NoBroker and AssetsMissing where it cannot
    start."""
    logs.begin(chosen.log_format, chosen.log_level)
    assets = read_assets(HOUSE / "static")
    directory = state.open_directory(Path(chosen.state_directory or state.default_directory(os.environ)))
    certificate = _certificate(chosen, directory)
    sockets = _bind("port", chosen.port, chosen.ip, reuse=chosen.reuse_port)
    shown_at = _bind("metrics_port", chosen.metrics_port, LOOPBACK) if chosen.metrics_port else ()
    loop, end = asyncio.get_running_loop(), _End()
    loop.set_exception_handler(end.bug)
    manager = ServiceManager(os.environ, loop)
    try:
        site = await _site(chosen, directory, assets, loop, vouched=certificate is None or not certificate.made)
    except (StateError, NoBroker):
        for bound in (*sockets, *shown_at):
            bound.close()
        raise
    await site.start()
    server, plain = _server(site.gate, chosen), _server(redirects(), chosen)
    listener = Listener(
        sockets,
        server,
        at_most=_sockets(chosen),
        at_most_each=_sockets_each(chosen),
        address_of=site.addresses.of_peer,
        tls=certificate.context if certificate else None,
        plain=plain,
    )

    def reload() -> None:
        manager.reloading()
        try:
            fresh = read_again()
            renewed = _certificate(fresh, directory) if certificate else None
        except (SettingsError, StateError) as error:
            logger.error("the settings stay as they are: %s", error)  # noqa: TRY400 - it is the operator's, not a bug
        else:
            site.obey(Rules.of(fresh))
            tls = renewed.context if renewed else None
            listener.obey(at_most=_sockets(fresh), at_most_each=_sockets_each(fresh), tls=tls)
            logger.info("the settings have been read again")
            for name in _waiting(chosen, fresh, secure=renewed is not None):
                logger.warning("%s: another value counts from the next start on", name)
        manager.ready()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end.asked)
    loop.add_signal_handler(signal.SIGHUP, reload)
    memory = Keeper(loop)
    _announce(chosen, sockets[0].getsockname()[1], certificate)
    shown = _Shown(site, shown_at, loop) if shown_at else None
    manager.ready()
    await end.wait()
    manager.stopping()
    listener.stop()
    if shown is not None:
        shown.stop()
    await site.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await server.close_all_connections()
            await plain.close_all_connections()
    manager.close()
    memory.close()
    return end.status


async def _site(
    chosen: Settings, directory: Path, assets: Assets, loop: asyncio.AbstractEventLoop, *, vouched: bool
) -> Site:
    """Raises StateError and NoBroker."""
    if chosen.broker == MEMORY:
        return Site(chosen, assets, state.site_salt(directory), loop, vouched=vouched)
    own = state.site_salt(directory) if state.has_salt(directory) else None
    ground = await shared_ground(chosen, own, loop)
    if state.site_salt(directory, ground.salt) != ground.salt:
        await ground.broker.close()
        raise StateError(
            f"{directory / state.SALT_FILE}: of another site than the one in Redis; expected its salt, or none"
        )

    return Site(chosen, assets, ground.salt, loop, vouched=vouched, ground=ground)


class _Shown:
    """What is shown to Prometheus, and where."""

    def __init__(self, site: Site, sockets: Sequence[socket.socket], loop: asyncio.AbstractEventLoop) -> None:
        self._watch = metrics.LagWatch(site.tally, loop)
        self._server = HTTPServer(metrics.application(metrics.SiteCollector(site.tally, site.present)))
        self._server.add_sockets(sockets)

    def stop(self) -> None:
        self._watch.close()
        self._server.stop()


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
    try:
        if soft < hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):  # what may not be had is not counted on
        hard = soft
    return wanted if hard == resource.RLIM_INFINITY else max(1, min(wanted, hard - OWN_FILES))


def _sockets_each(chosen: Settings) -> int:
    return SOCKETS_EACH * chosen.connections_per_address + VISITORS


def _bind(setting: str, port: int, ip: str, *, reuse: bool = False) -> Sequence[socket.socket]:
    """Raises Failure, which names the setting that holds the port."""
    try:
        return listen(port, ip, reuse=reuse)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Failure(f"{setting} = {port}: in use on {ip}; expected a free port") from error
        if error.errno == errno.EACCES:
            raise Failure(f"{setting} = {port}: not permitted; expected a port that this user may open") from error
        raise Failure(f"ip = {ip!r}: expected an address or name of this machine ({error.strerror})") from error


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
