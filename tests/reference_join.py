"""Knows both ends of joining a second time: what a client proves and seals, what a server must verify; imports nothing
of the product. docs/protocol.md, "Join" and "Sealed"."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from Crypto.Cipher import PKCS1_OAEP
from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.reference import Refused, Room, Signer, b64, grouped, hkdf, is_safe_key, sha256, unb64, verify

Random = Callable[[int], bytes]


@dataclass(frozen=True)
class Since:
    """The last message of an epoch that the tab has. `epoch`: 16 bytes."""

    epoch: bytes
    id: int


@dataclass(frozen=True)
class ServerKey:
    """The public half, or for whom the server is, both."""

    rsa: RSA.RsaKey

    @classmethod
    def from_pem(cls, pem: str) -> Self:
        return cls(RSA.import_key(pem))

    @property
    def pem(self) -> str:
        return self.rsa.public_key().export_key("PEM").decode()

    @property
    def digest(self) -> bytes:
        return sha256(self.rsa.public_key().export_key("DER"))

    @property
    def fingerprint(self) -> str:
        return grouped(self.digest)

    def seal(self, plain: bytes, random: Random = os.urandom) -> bytes:
        return PKCS1_OAEP.new(self.rsa, hashAlgo=SHA256, randfunc=random).encrypt(plain)

    def open(self, sealed: bytes) -> bytes:
        try:
            return PKCS1_OAEP.new(self.rsa, hashAlgo=SHA256).decrypt(sealed)
        except ValueError:
            raise Refused("envelope") from None


class Channel:
    """Sealed requests, seen from either end: the next one has the next counter, 0 being the body of the join."""

    def __init__(self, session_key: bytes) -> None:
        self._cipher = AESGCM(hkdf(session_key, b"c2s"))
        self.counter = 0

    def seal(self, event: str, body: bytes = b"") -> str:
        sealed = self._cipher.encrypt(self._nonce(), body, event.encode())
        self.counter += 1
        return b64(sealed)

    def open(self, event: str, sealed: str) -> bytes:
        try:
            body = self._cipher.decrypt(self._nonce(), unb64(sealed), event.encode())
        except InvalidTag:
            raise Refused("seal") from None
        self.counter += 1
        return body

    def _nonce(self) -> bytes:
        return self.counter.to_bytes(12, "big")


@dataclass(frozen=True)
class Joining:
    """The circumstances of one join, of which both proofs speak. `user`: the bytes of the user ciphertext."""

    server_key: ServerKey
    socket_id: str
    site: bytes
    since: Since | None
    user: bytes

    def transcript(self, address: bytes, session_key: bytes, member: bytes) -> bytes:
        since = b"" if self.since is None else self.since.epoch + self.since.id.to_bytes(8, "big")
        bound = (self.server_key.digest, self.site, address, session_key, member, since, sha256(self.user))
        fields = (b"chatsite/1 join", self.socket_id.encode(), *bound)
        return sha256(b"".join(len(field).to_bytes(2, "big") + field for field in fields))


def proven(whose: bytes, transcript: bytes) -> bytes:
    """What a proof of a join signs. `whose`: b"room" or b"member"."""
    return b"chatsite/1 join " + whose + b"\0" + transcript


def make_join(
    joining: Joining, room: Room, signer: Signer, random: Random = os.urandom, claimed: str = ""
) -> tuple[dict[str, str], Channel]:
    """The request and the channel that it opens. `claimed`: the member that it says it is, if not the signer."""
    session_key = random(32)
    transcript = joining.transcript(room.address, session_key, signer.public_key)
    room_proof = room.identity.sign(proven(b"room", transcript))
    body = {
        "member": claimed or signer.member,
        "proof": b64(signer.sign(proven(b"member", transcript))),
        "user": b64(joining.user),
        "since": joining.since and {"epoch": b64(joining.since.epoch), "id": joining.since.id},
        "site": b64(joining.site),
    }
    envelope = joining.server_key.seal(room.address + session_key + room_proof, random)
    channel = Channel(session_key)
    sealed = channel.seal("join-room", json.dumps(body, separators=(",", ":")).encode())
    return {"envelope": b64(envelope), "body": sealed}, channel


@dataclass(frozen=True)
class Joined:
    address: bytes
    member: str
    joining: Joining
    channel: Channel


def open_join(server_key: ServerKey, socket_id: str, request: dict[str, str]) -> Joined:
    """As a server does. Whatever is wrong is Refused."""
    opened = server_key.open(unb64(request["envelope"]))
    address, session_key, room_proof = opened[:32], opened[32:64], opened[64:]
    channel = Channel(session_key)
    body = json.loads(channel.open("join-room", request["body"]))
    since = body["since"] and Since(unb64(body["since"]["epoch"]), body["since"]["id"])
    joining = Joining(server_key, socket_id, unb64(body["site"]), since, unb64(body["user"]))
    member = unb64(body["member"])
    if not (is_safe_key(address) and is_safe_key(member)):
        raise Refused("signer")
    transcript = joining.transcript(address, session_key, member)
    verify(address, room_proof, proven(b"room", transcript))
    verify(member, unb64(body["proof"]), proven(b"member", transcript))
    return Joined(address, body["member"], joining, channel)
