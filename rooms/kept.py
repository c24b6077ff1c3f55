"""What is kept of one room, and what all rooms weigh together; decides nothing about who may do what."""

import secrets
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from rooms.model import Entry, Member, MemberId, RoomAddress, Snapshot

EPOCH_BYTES = 16

DIGEST_SECONDS = 600
DIGESTS_KEPT = 1024
DIGESTS_AT_MOST = 16_384
"""A digest is kept for ten minutes, and at least the newest 1,024 are. A room busier than 27 messages a second
for ten minutes forgets sooner: without that bound a flood of messages would fill the memory."""
ENTRY_BYTES, DIGEST_BYTES = 130, 220
"""What an entry of the log takes of the memory beside its ciphertext, and what a digest takes, as tracemalloc tells. A
room where much is said in few words weighs more by its digests than by its log."""


@dataclass(slots=True)
class KeptRoom:
    """`log_times`, `digest_times`: when those were posted. `timer`: for how many seconds its people want messages kept,
    0 if they have not said."""

    epoch: bytes = field(default_factory=lambda: secrets.token_bytes(EPOCH_BYTES))
    last: int = 0
    members: dict[MemberId, Member] = field(default_factory=dict)
    log: deque[Entry] = field(default_factory=deque)
    log_bytes: int = 0
    weighed: int = 0
    """What the scales have been told of it all."""
    digests: OrderedDict[bytes, int] = field(default_factory=OrderedDict)
    # When those were posted; apart, since pairs for each message would be so many more for the garbage collector.
    log_times: deque[float] = field(default_factory=deque)
    digest_times: deque[float] = field(default_factory=deque)
    empty_since: float = 0.0
    timer: int = 0
    review_due: float | None = None

    @property
    def weight(self) -> int:
        """Of its log and its digests, in bytes."""
        return self.log_bytes + ENTRY_BYTES * len(self.log) + DIGEST_BYTES * len(self.digests)

    def snapshot(self) -> Snapshot:
        return Snapshot(self.epoch, self.last, tuple(self.members.values()), tuple(self.log), self.timer)

    def remember(self, entry: Entry, digest: bytes, now: float) -> None:
        self.log.append(entry)
        self.log_bytes += len(entry.ciphertext)
        self.log_times.append(now)
        self.digests[digest] = entry.id
        self.digest_times.append(now)

    def forget_oldest(self) -> None:
        self.log_bytes -= len(self.log.popleft().ciphertext)
        self.log_times.popleft()

    def forget_digests(self, now: float) -> None:
        times = self.digest_times
        while len(times) > DIGESTS_KEPT and (len(times) > DIGESTS_AT_MOST or now - times[0] >= DIGEST_SECONDS):
            self._forget_digest()

    def forget_half(self) -> None:
        """The older half of its log or of its digests: of what weighs more."""
        if 2 * DIGEST_BYTES * len(self.digests) > self.weight:
            for _ in range((len(self.digests) + 1) // 2):
                self._forget_digest()
        else:
            for _ in range((len(self.log) + 1) // 2):
                self.forget_oldest()

    def forget_all(self) -> None:
        """As if nothing had been said."""
        while self.log:
            self.forget_oldest()
        self.digests.clear()
        self.digest_times.clear()

    def _forget_digest(self) -> None:
        self.digest_times.popleft()
        self.digests.popitem(last=False)


class Scales:
    """What all rooms weigh, and which are among the heaviest: rooms by the length of that number in bits."""

    def __init__(self) -> None:
        self.total = 0
        self._classes: list[dict[RoomAddress, None]] = []

    def weigh(self, address: RoomAddress, room: KeptRoom) -> None:
        """A room may have another weight."""
        before, after = room.weighed, room.weight
        room.weighed = after
        self.total += after - before
        left, entered = before.bit_length(), after.bit_length()
        if left == entered:
            return
        while len(self._classes) <= entered:
            self._classes.append({})
        if before:
            del self._classes[left][address]
        if after:
            self._classes[entered][address] = None

    def heaviest(self) -> RoomAddress:
        """None weighs twice as much. There is one where `total` is more than 0."""
        return next(next(iter(rooms)) for rooms in reversed(self._classes) if rooms)
