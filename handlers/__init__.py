"""Where requests come in: the whole URL map on one screen. The only Tornado besides chatsite.py."""

import json
from collections.abc import Sequence

from tornado.routing import Rule
from tornado.web import url

from handlers.assets import Assets
from handlers.connection import Connections
from handlers.pages import AssetHandler, HealthHandler, LoginHandler, PageFacts, RoomHandler, SiteHandler
from handlers.websocket import WebSocketHandler
from rooms.model import to_base64url


def routes(
    assets: Assets, facts: PageFacts, site_salt: bytes, connections: Connections, allowed_origins: Sequence[str]
) -> list[Rule]:
    """Every address that this site answers."""
    page = {"assets": assets, "facts": facts}
    site = json.dumps({"v": 1, "salt": to_base64url(site_salt)})
    return [
        url(r"/", LoginHandler, page),
        url(r"/room", RoomHandler, page),
        url(r"/site\.json", SiteHandler, {"answer": site}),
        url(r"/healthz", HealthHandler),
        url(rf"/static/{assets.build}/(.+)", AssetHandler, {"path": str(assets.root)}),
        url(r"/socket\.io/", WebSocketHandler, {"connections": connections, "allowed_origins": allowed_origins}),
    ]
