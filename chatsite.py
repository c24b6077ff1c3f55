"""The front door: arguments to settings, and what is to be done with them."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import NoReturn

from tornado.httpserver import HTTPServer

import manifest
import settings
import state
from composition import HOUSE, BrokerAway, NoBroker, Site
from handlers.assets import AssetsMissing, read_assets
from handlers.listener import listen
from manifest import Manifest, Unreachable
from serving import LOOPBACK, Failure, serve
from settings import Settings, SettingsError
from state import StateError

CONFIG = HOUSE / "config" / "chatsite.toml"

DIFFERENT = 1
USAGE_ERROR = 2
TRY_LATER = 75
"""EX_TEMPFAIL of sysexits.h: what a service manager may try again."""


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
        return asyncio.run(serve(chosen, lambda: _settings(flags)))
    except (Failure, SettingsError, StateError, AssetsMissing, Unreachable, NoBroker) as failure:
        print(f"chatsite: {failure}", file=sys.stderr)
        return TRY_LATER if isinstance(failure, BrokerAway) else USAGE_ERROR
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


if __name__ == "__main__":
    sys.exit(main())
