"""Knows how somebody with the room's key writes things that no honest page writes, each with a valid signature unless a
test spoils it; knows no server."""

import json
import time
from dataclasses import dataclass, field

from tests.reference import Json, Kind, Room, Sealed, Signer, describe_signer, seal_encoded


def now() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Voice:
    """A member of the room, without a line: a server spreads its words. `seq` and `prev` are its head."""

    room: Room
    name: str
    signer: Signer = field(default_factory=Signer.generate)
    seq: int = 0
    prev: str = ""

    @property
    def member(self) -> str:
        return self.signer.member

    @property
    def called(self) -> str:
        """As pages call it in what they tell."""
        return f"{self.name} ({describe_signer(self.member)[0][:4]})"

    def says(self, text: str, /, **changes: Json) -> Sealed:
        """Its next message, with other values, or without a key where the value is `...`."""
        return self.speaks(self.draft(text, **changes))

    def draft(self, text: str, /, **changes: Json) -> dict[str, Json]:
        fields: dict[str, Json] = {"name": self.name, "text": text, "at": now(), "seq": self.seq + 1, "prev": self.prev}
        return {**fields, "seen": None, **changes}

    def speaks(self, payload: Json) -> Sealed:
        """A payload as its next message."""
        sealed = self.seals("message", payload)
        self.seq, self.prev = self.seq + 1, sealed.payload_digest
        return sealed

    def user(self, **changes: Json) -> str:
        """A user ciphertext that says where its messages stand."""
        fields: dict[str, Json] = {"name": self.name, "at": now(), "seq": self.seq, "prev": self.prev}
        return self.seals("user", {**fields, **changes}).ciphertext

    def seals(self, kind: Kind, payload: Json) -> Sealed:
        return seal_encoded(self.room, self.signer, kind, encoded(payload))


def encoded(payload: Json) -> bytes:
    """As browsers write JSON."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
