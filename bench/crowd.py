"""Some people who say what they are told to in one room, through docs/bot.py, a client for anybody."""

import asyncio
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any, Self

SPEAKERS = 4
MARKED = "less < more & so on"
"""What "Allow Special Chars" is about."""
TEXTS = (
    "a plain sentence of usual length, as most of them are",
    "ok",
    "three lines:\none\ntwo, which is a little longer than the others are, so that it is broken on a phone\nthree",
    MARKED,
    "look at https://example.org/some/page?x=1, it is worth it",
    "nice 👍🏽 and سلام and 你好",
)


def the_bot() -> ModuleType:
    path = Path(__file__).parent.parent / "docs" / "bot.py"
    spec = importlib.util.spec_from_file_location("bot", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Crowd:
    """Some people in one room who say what they are told to."""

    def __init__(self, url: str, room: str) -> None:
        self.url, self.room, self.said = url, room, 0
        self._bots: list[Any] = []

    async def __aenter__(self) -> Self:
        bot = the_bot()
        async with bot.aiohttp.ClientSession() as http, http.get(f"{self.url}/site.json") as answer:
            site = bot.unb64((await answer.json())["salt"])
        secret = await asyncio.to_thread(bot.room_secret, self.room, site)
        for number in range(SPEAKERS):
            line = bot.socketio.AsyncClient(reconnection=False)
            key: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            line.on("send_public_key", key.set_result)
            await line.connect(self.url, transports=["websocket"])
            self._bots.append(bot.Bot(line, bot.Room(secret), site, f"Speaker {number}"))
            await self._bots[-1].join(await key)
        return self

    async def __aexit__(self, *_: object) -> None:
        for speaker in self._bots:
            await speaker.line.disconnect()

    async def say(self, number: int) -> None:
        """So many messages, from all of them together."""
        await asyncio.gather(*(self._speak(at, self.said + number) for at in range(SPEAKERS)))

    async def _speak(self, speaker: int, end: int) -> None:
        while self.said < end:
            self.said += 1
            await self._bots[speaker].say(f"{TEXTS[self.said % len(TEXTS)]} {self.said}")

    def marked(self, latest: int) -> int:
        """How many of so many of the latest messages the character filter changes."""
        return sum(TEXTS[at % len(TEXTS)] is MARKED for at in range(self.said - latest + 1, self.said + 1))
