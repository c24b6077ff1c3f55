# /// script
# requires-python = ">=3.11"
# dependencies = ["argon2-cffi", "cryptography", "python-socketio[asyncio-client]"]
# ///
"""A bot for a room of any Chatsite, which knows docs/protocol.md and none of this repository's code.

    python docs/bot.py http://127.0.0.1:5000 "seven random words" "Echo"

It says hello and repeats what begins with "echo ", until the line breaks. The first half serves any client; the second
half is this bot.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import re
import sys
import time
import unicodedata
from typing import Any

import aiohttp
import socketio
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SHA256, P = hashes.SHA256(), 2**255 - 19
ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
SIZES = {"message": [256 << n for n in range(9)], "user": [512]}
WHITE = "\t\n\v\f\r \u1680\u2028\u2029\ufeff"  # what NFKC leaves of JavaScript's white space


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    data = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    if b64(data) != text:
        raise ValueError("not the canonical spelling")
    return data


def digest(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def hkdf(secret: bytes, purpose: str) -> bytes:
    return HKDF(SHA256, 32, None, f"chatsite/1 {purpose}".encode()).derive(secret)


def room_name(typed: str) -> str:
    return re.sub(f"[{WHITE}]+", "-", unicodedata.normalize("NFKC", typed).strip(WHITE))


def room_secret(name: str, site: bytes) -> bytes:
    return hash_secret_raw(name.encode(), digest(b"chatsite/1 salt", site)[:16], 3, 131_072, 1, 32, Type.ID)


def is_safe(key: bytes) -> bool:
    y = int.from_bytes(key, "little") % 2**255
    return y < P and y not in {0, 1, P - 1, ORDER_8, P - ORDER_8}


def now() -> int:
    return time.time_ns() // 1_000_000


def encode(payload: dict[str, Any]) -> bytes:
    return json.dumps(payload, ensure_ascii=False).encode()


class Signer:
    """A key pair: a room's identity or a member."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._key.public_key().public_bytes_raw()
        self.sign = self._key.sign


class Room:
    """Seals what members say to each other, and opens it."""

    def __init__(self, secret: bytes) -> None:
        self.identity = Signer(hkdf(secret, "room identity"))
        self.key = AESGCM(hkdf(secret, "room key"))

    def seal(self, kind: str, signer: Signer, payload: bytes) -> bytes:
        bound, nonce = f"chatsite/1 {kind}\0".encode() + self.identity.public, os.urandom(12)
        padded = signer.public + signer.sign(bound + payload) + len(payload).to_bytes(4, "big") + payload
        size = next(size for size in SIZES[kind] if len(padded) <= size)
        return nonce + self.key.encrypt(nonce, padded.ljust(size, b"\0"), bound)

    def open(self, kind: str, member: str, data: bytes) -> bytes:
        """The payload. Raises ValueError, InvalidTag or InvalidSignature unless it is this member's word."""
        bound = f"chatsite/1 {kind}\0".encode() + self.identity.public
        padded = self.key.decrypt(data[:12], data[12:], bound)
        signer, signature, end = padded[:32], padded[32:96], 100 + int.from_bytes(padded[96:100], "big")
        fitting = [size for size in SIZES[kind] if end <= size]
        if fitting[:1] != [len(padded)] or any(padded[end:]) or b64(signer) != member or not is_safe(signer):
            raise ValueError("badly padded, or not from this member")
        Ed25519PublicKey.from_public_bytes(signer).verify(signature, bound + padded[100:end])
        return padded[100:end]


class Bot:
    """A member of a room, over one connection."""

    def __init__(self, line: socketio.AsyncClient, room: Room, site: bytes, name: str) -> None:
        self.line, self.room, self.site, self.name, self.signer = line, room, site, name, Signer(os.urandom(32))
        self.heard: dict[str, int] = {b64(self.signer.public): 2**53}  # who has said how much; our own is no news
        self.seen: list[int | str] | None = None
        self.seq, self.prev, self.counter = 0, "", 0

    def head(self) -> dict[str, Any]:
        return {"name": self.name, "at": now(), "seq": self.seq, "prev": self.prev}

    async def join(self, pem: str) -> None:
        key: Any = serialization.load_pem_public_key(pem.encode())
        der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        user, session_key, since = self.room.seal("user", self.signer, encode(self.head())), os.urandom(32), b""
        fields = [b"chatsite/1 join", self.line.get_sid().encode(), digest(der), self.site, self.room.identity.public]
        fields += [session_key, self.signer.public, since, digest(user)]
        transcript = digest(*(len(field).to_bytes(2, "big") + field for field in fields))
        room_proof = self.room.identity.sign(b"chatsite/1 join room\0" + transcript)
        proof = self.signer.sign(b"chatsite/1 join member\0" + transcript)
        envelope = key.encrypt(self.room.identity.public + session_key + room_proof, OAEP(MGF1(SHA256), SHA256, None))
        self.channel = AESGCM(hkdf(session_key, "c2s"))
        body = {"member": b64(self.signer.public), "proof": b64(proof), "user": b64(user), "since": None}
        sealed = self.seal("join-room", encode({**body, "site": b64(self.site)}))
        answer = await self.line.call("join-room", {"envelope": b64(envelope), "body": sealed})
        if "error" in answer:
            sys.exit(f"not let in: {answer['error']}")

    async def say(self, text: str) -> None:
        payload = encode({**self.head(), "text": text[:10_000], "seq": self.seq + 1, "seen": self.seen})
        message = self.room.seal("message", self.signer, payload)
        while "id" not in (answer := await self.line.call("send_message", self.seal("send_message", message))):
            if answer["error"] not in {"rate-limited", "unavailable"}:
                sys.exit(f"not sent: {answer['error']}")
            await asyncio.sleep(1)
        self.seq, self.prev = self.seq + 1, b64(digest(payload))

    def seal(self, event: str, body: bytes) -> str:
        nonce, self.counter = self.counter.to_bytes(12, "big"), self.counter + 1
        return b64(self.channel.encrypt(nonce, body, event.encode()))

    def hear(self, said: dict[str, Any]) -> tuple[str, str] | None:
        """Name and text of what somebody has said, if it is true and new."""
        with contextlib.suppress(InvalidSignature, InvalidTag, KeyError, RecursionError, TypeError, ValueError):
            member, data = said["member"], unb64(said["message"])
            payload = json.loads(self.room.open("message", member, data).decode())
            encode(payload)  # what JSON can hold and UTF-8 cannot is no text
            self.seen, known = [int(said["id"]), b64(digest(data))], self.heard.get(member, 0)
            match payload:
                case {"name": str(name), "text": str(text), "at": int(at), "seq": int(seq)} if seq > known:
                    self.heard[member] = seq
                    return (name, text) if abs(now() - at) < 300_000 else None
        return None


async def main(url: str, typed: str, name: str) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/site.json") as answer:
        site = unb64((await answer.json())["salt"])
    line, events = socketio.AsyncClient(reconnection=False), asyncio.Queue[tuple[Any, ...]]()
    line.on("*", lambda *event: events.put_nowait(event))
    line.on("disconnect", lambda reason: events.put_nowait(("disconnect", reason)))
    await line.connect(url)
    bot = Bot(line, Room(room_secret(room_name(typed), site)), site, name)
    while True:
        match await events.get():
            case "send_public_key", pem:
                await bot.join(pem)
            case "connected", room:
                for said in room["log"]:
                    bot.hear(said)
                await bot.say("Hello")
            case "get_message", said:
                if (heard := bot.hear(said)) and heard[1].startswith("echo "):
                    await bot.say(f"{heard[0]}: {heard[1].removeprefix('echo ')}")
            case "disconnect", reason:
                sys.exit(f"the line broke: {reason}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
