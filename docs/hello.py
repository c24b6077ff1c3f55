# /// script
# requires-python = ">=3.11"
# dependencies = ["argon2-cffi", "cryptography", "python-socketio[client]"]
# ///
"""Says one sentence in a room of any Chatsite: all that docs/protocol.md asks of who joins and speaks, in thirty lines.

python docs/hello.py http://127.0.0.1:5000 room-of-mine Robot "Hello, everybody"
"""

import base64
import json
import os
import sys
import time
import urllib.request
from hashlib import sha256
from typing import Any

import socketio
from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def derive(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, None, b"chatsite/1 " + purpose).derive(secret)


url, room_name, user_name, text = sys.argv[1:]
site = base64.urlsafe_b64decode(json.load(urllib.request.urlopen(f"{url}/site.json"))["salt"] + "==")
secret = hash_secret_raw(room_name.encode(), sha256(b"chatsite/1 salt" + site).digest()[:16], 3, 2**17, 1, 32, Type.ID)
room, me = Ed25519PrivateKey.from_private_bytes(derive(secret, b"room identity")), Ed25519PrivateKey.generate()
address, member = (key.public_key().public_bytes_raw() for key in (room, me))
room_key, session_key = AESGCM(derive(secret, b"room key")), os.urandom(32)


def write(kind: bytes, **more: object) -> bytes:
    payload = json.dumps({"name": user_name, "at": time.time_ns() // 1_000_000, **more}).encode()
    bound, nonce = b"chatsite/1 " + kind + b"\0" + address, os.urandom(12)
    padded = member + me.sign(bound + payload) + len(payload).to_bytes(4, "big") + payload
    size = 512 if kind == b"user" else max(256, 1 << (len(padded) - 1).bit_length())
    return nonce + room_key.encrypt(nonce, padded.ljust(size, b"\0"), bound)


def seal(counter: int, event: str, body: bytes) -> str:
    return b64(AESGCM(derive(session_key, b"c2s")).encrypt(counter.to_bytes(12, "big"), body, event.encode()))


with socketio.SimpleClient() as line:
    line.connect(url)
    key: Any = load_pem_public_key(line.receive()[1].encode())  # the first event is send_public_key
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    user = write(b"user", seq=0, prev="")
    fields = [b"chatsite/1 join", line.sid.encode(), sha256(spki).digest(), site, address, session_key, member, b""]
    transcript = sha256(b"".join(len(f).to_bytes(2, "big") + f for f in [*fields, sha256(user).digest()])).digest()
    proofs = room.sign(b"chatsite/1 join room\0" + transcript), me.sign(b"chatsite/1 join member\0" + transcript)
    envelope = {"envelope": b64(key.encrypt(address + session_key + proofs[0], OAEP(MGF1(SHA256()), SHA256(), None)))}
    body = {"member": b64(member), "proof": b64(proofs[1]), "user": b64(user), "since": None, "site": b64(site)}
    print(line.call("join-room", envelope | {"body": seal(0, "join-room", json.dumps(body).encode())}))
    print(line.call("send_message", seal(1, "send_message", write(b"message", text=text, seq=1, prev="", seen=None))))
