"""The server's only RSA key, the channel that an envelope opens, and signatures; knows nothing of rooms or the network.

Whatever cannot be opened or verified raises the same EnvelopeError without a word of why: an answer that told
the causes apart would help whoever tries ciphertexts out. Source: docs/protocol.md, "Join" and "Sealed".
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from Crypto.PublicKey import RSA
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_der_private_key

RSA_BITS = 2048
ADDRESS_BYTES = SESSION_KEY_BYTES = 32
SIGNATURE_BYTES = 64

_JOIN = b"chatsite/1 join"
ROOM_PROOF = b"chatsite/1 join room\0"
MEMBER_PROOF = b"chatsite/1 join member\0"


class EnvelopeError(Exception):
    """It does not open or does not verify. Never says why."""

    def __init__(self) -> None:
        super().__init__("cannot be opened")


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a client says under the server's RSA key."""

    address: bytes
    session_key: bytes
    room_proof: bytes


_OAEP = OAEP(MGF1(SHA256()), SHA256(), None)


def _loaded(der: bytes) -> RSAPrivateKey:
    """The key for the library that opens three times as fast as the one that makes it (docs/adr/0011)."""
    return cast(RSAPrivateKey, load_der_private_key(der, None))


class ServerKey:
    """The RSA key pair of one start of the server. Never stored: what was recorded yesterday stays closed."""

    def __init__(self) -> None:
        pair = RSA.generate(RSA_BITS)
        self._private = _loaded(pair.export_key("DER"))
        public = pair.public_key()
        self.pem = public.export_key("PEM").decode("ascii")
        """The public key, PEM of its SubjectPublicKeyInfo."""
        self.digest = hashlib.sha256(public.export_key("DER")).digest()
        """SHA-256 of the SubjectPublicKeyInfo's DER, 32 bytes."""

    def open(self, sealed: bytes) -> Envelope:
        """Opens RSA-OAEP (SHA-256, MGF1 with SHA-256, empty label). A fraction of a millisecond: call it off the
        loop."""
        try:
            plain = self._private.decrypt(sealed, _OAEP)
        except ValueError as error:
            raise EnvelopeError from error
        if len(plain) != ADDRESS_BYTES + SESSION_KEY_BYTES + SIGNATURE_BYTES:
            raise EnvelopeError
        return Envelope(plain[:32], plain[32:64], plain[64:])


class Channel:
    """Requests of one joined client, each sealed under the session key with a counter that never repeats."""

    __slots__ = ("_counter", "_key")

    def __init__(self, session_key: bytes) -> None:
        self._key = HKDF(SHA256(), 32, salt=None, info=b"chatsite/1 c2s").derive(session_key)
        self._counter = 0

    def open(self, event: str, sealed: bytes) -> bytes:
        """The body of the next request, which must be for this event. Raises EnvelopeError; only success counts."""
        try:
            # Made anew for a third of a microsecond; kept, it would be a third of what an idle client takes.
            body = AESGCM(self._key).decrypt(self._counter.to_bytes(12, "big"), sealed, event.encode("ascii"))
        except (InvalidTag, ValueError) as error:
            raise EnvelopeError from error
        self._counter += 1
        return body


def transcript(fields: Sequence[bytes]) -> bytes:
    """SHA-256 over the fields of a join, each preceded by its length as two bytes, big-endian."""
    digest = hashlib.sha256()
    for field in (_JOIN, *fields):
        digest.update(len(field).to_bytes(2, "big") + field)
    return digest.digest()


def verify(public_key: bytes, message: bytes, signature: bytes) -> None:
    """An Ed25519 signature by a key that a stranger chose. Raises EnvelopeError."""
    if not is_safe_key(public_key):
        raise EnvelopeError
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise EnvelopeError from error


_P = 2**255 - 19
# The y of the points whose order divides 8: under these, anybody's signature holds.
_ORDER_8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022
_SMALL_ORDER = frozenset({0, 1, _P - 1, _ORDER_8, _P - _ORDER_8})


def is_safe_key(public_key: bytes) -> bool:
    """Whether an Ed25519 public key is 32 bytes, canonical and not of small order (either sign)."""
    if len(public_key) != 32:
        return False
    y = int.from_bytes(public_key, "little") & ((1 << 255) - 1)
    return y < _P and y not in _SMALL_ORDER
