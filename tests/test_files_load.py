"""Fifty mebibytes to twenty who want them at the same time, one of whom stops reading: nobody else waits for that one,
the server's memory stays as it is, and the room talks on."""

import asyncio
import os
import time
from pathlib import Path
from typing import cast

import pytest

from tests.client import Client, Object
from tests.reference import Room, unb64
from tests.serving import Served, serve

FILE_BYTES, CHUNK, SEALED = 50 * 1024 * 1024, 65_536, 65_552
COUNT = FILE_BYTES // CHUNK
READERS = 20
WINDOW = 4
MOST_TAKEN = 60_000_000
"""Bytes: 16 MB of chunks that are kept, what twenty sockets have in flight, and a megabyte for who does not read."""
FILE = bytes(range(16))


class Owner(Client):
    """Has a file, whose chunks say which they are."""

    async def connect(self) -> None:
        self.given = 0
        self.line.on("chunk_wanted", self._give)
        await super().connect()

    def _give(self, wanted: Object) -> dict[str, bytes]:
        assert unb64(str(wanted["file"])) == FILE
        self.given += 1
        return {"chunk": cast(int, wanted["index"]).to_bytes(4, "big") * (SEALED // 4)}


class Reader(Client):
    """Wants it, four chunks at a time."""

    async def connect(self) -> None:
        self.came: dict[int, asyncio.Future[bytes]] = {}
        self.line.on("chunk", self._take)
        await super().connect()

    def _take(self, said: Object) -> None:
        self.came[cast(int, said["index"])].set_result(cast(bytes, said["chunk"]))

    def body(self, owner: Owner, index: int) -> bytes:
        return owner.signer.public_key + FILE + index.to_bytes(4, "big")

    async def whole(self, owner: Owner) -> None:
        order = iter(range(COUNT))

        async def some() -> None:
            for index in order:
                came = self.came[index] = asyncio.get_running_loop().create_future()
                assert await self.request("get_chunk", self.body(owner, index)) == {}
                chunk = await asyncio.wait_for(came, 30)
                assert len(chunk) == SEALED
                assert chunk[:4] == chunk[-4:] == index.to_bytes(4, "big")

        await asyncio.gather(*(some() for _ in range(WINDOW)))

    async def stops_reading(self, owner: Owner) -> None:
        """Having asked for as much as it may."""
        for index in range(8):
            self.came[index] = asyncio.get_running_loop().create_future()
            await self.line.emit("get_chunk", self.channel.seal("get_chunk", self.body(owner, index)))
        self.line.eio.ws._response.connection.transport.pause_reading()


def memory(served: Served) -> int:
    pages = int(Path(f"/proc/{served.process.pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.timeout(300)
def test_fifty_mebibytes_go_to_twenty_and_nothing_of_them_stays() -> None:
    async def scene(served: Served) -> tuple[int, int, int]:
        room = Room.from_secret(os.urandom(32))
        async with Owner(served.url) as owner:
            await owner.join(room, "Owner")
            readers = [Reader(served.url) for _ in range(READERS)]
            for number, reader in enumerate(readers):
                await reader.connect()
                await reader.join(room, f"Reader {number}")
            before = most = memory(served)
            stalled, *others = readers
            await stalled.stops_reading(owner)
            wanted = asyncio.gather(*(reader.whole(owner) for reader in others))
            longest = 0.0
            while not wanted.done():
                began = time.perf_counter()
                await owner.say("how is it going?")
                longest = max(longest, time.perf_counter() - began)
                most = max(most, memory(served))
                await asyncio.sleep(0.2)
            await wanted
            assert longest < 5, "the room talks on"
            for reader in readers:
                await reader.close()
            return before, most, owner.given

    with serve(file_rate=(500e6, 500e6), events_per_connection=(100, 100)) as served:
        before, most, given = asyncio.run(scene(served))
        assert served.stop() == 0
    assert served.stderr == ""
    assert most - before < MOST_TAKEN, (before, most)
    # Those who read at the same pace are sent what was fetched once.
    assert COUNT <= given < 3 * COUNT
