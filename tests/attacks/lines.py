"""What an attacker does to lines, requests and frames, without a word of Socket.IO."""

import asyncio
import json

from tests.attacks.target import ENDLESS, POLLING, Target
from tests.websocket import BINARY, PONG, TEXT, frame


async def half_open(target: Target) -> None:
    async with target.tcp():
        await asyncio.sleep(3600)


async def slow_head(target: Target) -> None:
    async with target.tcp() as (reader, writer):
        for byte in b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 10_000:
            writer.write(bytes([byte]))
            target.did["bytes"] += 1
            await asyncio.sleep(1)
        await reader.read()


async def slow_body(target: Target) -> None:
    async with target.tcp() as (_, writer):
        writer.write(f"POST {POLLING} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n".encode())
        while True:
            writer.write(b"x")
            target.did["bytes"] += 1
            await asyncio.sleep(1)


async def slow_frame(target: Target) -> None:
    async with target.line() as line:
        for byte in frame(TEXT, b"4" + b"x" * 100_000):
            line.raw(bytes([byte]))
            target.did["bytes"] += 1
            await asyncio.sleep(1)


async def page_flood(target: Target) -> None:
    """Pages, asked for without waiting for those before."""
    async with target.tcp() as (reader, writer):

        async def ask() -> None:
            while True:
                writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20)
                await writer.drain()

        asking = asyncio.create_task(ask())
        try:
            while line := await reader.readline():
                if line.startswith(b"HTTP/1.1 "):
                    target.did[f"status {line.split()[1].decode()}"] += 1
        finally:
            asking.cancel()


async def too_large(target: Target) -> None:
    """Messages, bodies and heads that say or show that they are larger than any may be; all for one session."""
    handshake = await target.asked(f"GET {POLLING} HTTP/1.1\n\n")
    session = f"{POLLING}&sid={json.loads(handshake.body[1:])['sid']}"
    chunked = f"Transfer-Encoding: chunked\r\n\r\n{ENDLESS:x}\r\n"
    while True:
        async with target.line() as line:
            line.raw(bytes([0x80 | BINARY, 0xFF]) + ENDLESS.to_bytes(8, "big") + bytes(4) + b"x" * 100_000)
            await target.ended(line)
        for heads in (f"Content-Length: {ENDLESS}\r\n\r\n", chunked, "X: "):
            async with target.tcp(target.another_source()) as (reader, writer):
                writer.write(f"POST {session} HTTP/1.1\r\nHost: 127.0.0.1\r\n{heads}".encode() + b"x" * 500_000)
                try:
                    target.did[f"status {(await reader.readline()).split()[1].decode()}"] += 1
                except (OSError, IndexError):
                    target.did["cut"] += 1


async def pongs(target: Target) -> None:
    async with target.line() as line:
        await target.flood(line, frame(PONG, b"") * 2_000, 2_000)


async def tiny_messages(target: Target) -> None:
    async with target.line() as line:
        await target.flood(line, frame(TEXT, b"6") * 2_000, 2_000)  # Engine.IO's NOOP


async def fragments(target: Target) -> None:
    async with target.line() as line:
        line.raw(frame(BINARY, b"", fin=False))
        ending = asyncio.create_task(target.ended(line))
        wire = frame(0, b"x" * 1000, fin=False) * 20
        while not ending.done():
            line.raw(wire)
            target.did["frames"] += 20
            await asyncio.sleep(0.001)


async def half_messages(target: Target) -> None:
    """As much as a message may have, and never its end."""
    async with target.line() as line:
        line.raw(frame(BINARY, b"x" * 100_000, fin=False) + frame(0, b"x" * 99_000, fin=False))
        await line.writer.drain()
        target.did["bytes"] += 199_000
        await target.ended(line)


async def empty_fragments(target: Target) -> None:
    async with target.line() as line:
        line.raw(frame(BINARY, b"", fin=False))
        await target.flood(line, frame(0, b"", fin=False) * 2_000, 2_000)


async def compression(target: Target) -> None:
    """An extension that was not agreed on, and a body that would be a thousand times as long."""
    async with target.line() as line:
        line.raw(frame(TEXT, b"\xed\xc0\x81\x00" * 1000, reserved=4))
        await target.ended(line)
    await target.asked(f"POST {POLLING} HTTP/1.1\nContent-Encoding: gzip\nContent-Length: 0\n\n")
