"""The ways in which clients are told, or made, to choose a transport, and what must come of each."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from protocol import Json
from tests.clients.official import Home, Official, Wish, opened
from tests.proxy import Line


@dataclass(frozen=True)
class Setting:
    """`transports`: what the client is told. `ends_with`: the transport of a client that has settled."""

    transports: tuple[str, ...] | None
    ends_with: str
    refuses_websocket: bool = False


SETTINGS = {
    "default": Setting(None, "websocket"),
    "polling": Setting(("polling",), "polling"),
    "websocket": Setting(("websocket",), "websocket"),
    "refused": Setting(None, "polling", refuses_websocket=True),
}


@dataclass
class Talk:
    """A client that has connected, over a line, and settled on the transport that its setting ends with."""

    client: Official
    line: Line
    home: Home
    setting: Setting

    async def settled(self) -> None:
        """The transport is the one that it must be, by the client's own word and by the requests on the line."""
        client, ears = self.client, self.client.ears
        if self.setting.transports is None and self.home.upgrades_later:
            await ears.heard("upgradeError" if self.setting.refuses_websocket else "upgrade", "")
        assert await client.transport() == self.setting.ends_with
        asked = b"".join(self.line.up)
        assert (b"transport=polling" in asked) == (self.setting.transports != ("websocket",))
        assert (b"transport=websocket" in asked) == (self.setting.ends_with == "websocket")
        assert bool(self.line.refused) == self.setting.refuses_websocket

    def handshakes(self) -> int:
        """How many Engine.IO sessions were asked for."""
        asked = b"".join(self.line.up)
        return sum(b"sid=" not in request for request in re.findall(rb"GET (\S+transport=\S+) HTTP", asked))


@asynccontextmanager
async def talking(
    home: Home, setting: Setting, port: int, *, namespaces: tuple[str, ...] = ("/",), auth: Json = None
) -> AsyncIterator[Talk]:
    """A client with the echo server behind a line; the namespace `/` is joined."""
    wish = Wish("", setting.transports, namespaces, auth)
    async with (
        Line(port, refuses_websocket=setting.refuses_websocket) as line,
        opened(home, replace(wish, url=line.url)) as client,
    ):
        talk = Talk(client, line, home, setting)
        await client.ears.heard("connect")
        await talk.settled()
        yield talk
