"""Where requests come in: the whole URL map on one screen. The only Tornado besides chatsite.py."""

import json
from collections.abc import Collection

from tornado.routing import AnyMatches, PathMatches, Rule
from tornado.web import Application, url

from handlers.address import Addresses
from handlers.assets import OFFLINE, Assets
from handlers.connections import Connections
from handlers.engine import Asks
from handlers.line import Lines
from handlers.pages import (
    AssetHandler,
    HealthHandler,
    HelpHandler,
    LoginHandler,
    OfflineHandler,
    PageFacts,
    ReadyHandler,
    RoomHandler,
    SecureHandler,
    ShellHandler,
    SiteHandler,
)
from handlers.polling import PollingHandler
from handlers.websocket import WebSocketHandler
from protocol.session import Via
from rooms.model import to_base64url


def routes(
    assets: Assets,
    facts: PageFacts,
    site_salt: bytes,
    connections: Connections,
    lines: Lines,
    allowed_origins: Collection[str],
    addresses: Addresses,
) -> list[Rule]:
    """Every address that this site answers."""
    page = {"assets": assets, "facts": facts}
    site = json.dumps({"v": 1, "salt": to_base64url(site_salt), "build": assets.build})
    return [
        url(r"/", LoginHandler, page),
        url(r"/room", RoomHandler, page),
        url(r"/help", HelpHandler, page),
        url(OFFLINE, OfflineHandler),
        url(r"/shell\.js", ShellHandler, {"script": assets.shell()}),
        url(r"/site\.json", SiteHandler, {"answer": site}),
        url(r"/healthz", HealthHandler),
        url(r"/readyz", ReadyHandler, {"connections": connections}),
        url(rf"/static/{assets.build}/(.+)", AssetHandler, {"path": str(assets.root)}),
        engine(r"/socket\.io/", connections, lines, allowed_origins, addresses),
    ]


def engine(
    path: str, connections: Connections, lines: Lines, allowed_origins: Collection[str], addresses: Addresses
) -> Rule:
    """An Engine.IO server at a path (a regular expression), for pages of these origins besides its own."""
    given = {"connections": connections, "allowed_origins": allowed_origins, "addresses": addresses}
    by_line = {**given, "lines": lines}
    by_transport = [Rule(Asks(Via.WEBSOCKET), WebSocketHandler, by_line), Rule(AnyMatches(), PollingHandler, given)]
    return Rule(PathMatches(path), by_transport)


def redirects() -> Application:
    """What answers http where https is spoken."""
    return Application(default_handler_class=SecureHandler, log_function=lambda handler: None)
