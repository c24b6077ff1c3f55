"""What leaves the browser: neither the room's name nor a username nor the text of a message, in any spelling."""

import asyncio
from pathlib import Path

from tests.e2e.conftest import Enter, Serving
from tests.e2e.pages import Visits
from tests.proxy import Line
from tests.test_talk import spellings, unmasked

ROOM, NAMES, TEXTS = "room-under-the-rose", ("Ophelia", "Laertes"), ("There is rosemary", "that is for remembrance")


async def test_nothing_of_names_or_texts_reaches_the_server(
    enter: Enter, visits: Visits, serving: Serving, tmp_path: Path
) -> None:
    served = serving(state=tmp_path)
    async with Line(served.port) as line:
        one, two = await asyncio.gather(*(enter(ROOM, name, url=line.url) for name in NAMES))
        for guest, text in zip((one, two), TEXTS, strict=True):
            await guest.say(text)
        await one.see_texts(*TEXTS)
        await two.page.reload()
        await one.see_people(NAMES[0])
        await one.leave()
        await visits.close()
        sent = [readable(bytes(stream)) for stream in line.up]
    assert served.stop() == 0
    assert served.stderr == ""
    # The record is whole: what goes up in the open is in it.
    for words in (b"GET / ", b"GET /room", b"GET /site.json", b"join-room", b"send_message", b"leave-room"):
        assert any(words in stream for stream in sent), words
    everything = b"\n".join([*sent, stored(tmp_path), served.stdout.encode()])
    for secret in (ROOM, *NAMES, *TEXTS):
        assert not [each for each in spellings(secret.encode()) if each in everything]


def readable(stream: bytes) -> bytes:
    return unmasked(stream) if b"Sec-WebSocket-Key" in stream else stream


def stored(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
