"""Every attack by its name, and an attacker as a process of its own, which knows nothing of those who suffer:
`python -m tests.attacks.attackers NAME PORT SECONDS`. Prints what it did and what became of it, as counts in JSON. Ends
earlier with two more arguments: a count, and how large it is to become.
"""

import asyncio
import json
import os
import sys

from tests.attacks.lines import (
    compression,
    empty_fragments,
    fragments,
    half_messages,
    half_open,
    page_flood,
    pongs,
    slow_body,
    slow_frame,
    slow_head,
    tiny_messages,
    too_large,
)
from tests.attacks.people import (
    ASKED_AND_ANSWERED,
    EARLY,
    chunk_flood,
    counter_back,
    deaf_reader,
    empty_rooms,
    join_storm,
    other_ids,
    replayed_join,
    until_put_out,
)
from tests.attacks.target import Attack, Target, many

LOOK_SECONDS = 0.1
"""Until the attacker asks itself again whether that is enough."""


ATTACKS: dict[str, Attack] = {
    "chunk-flood": many(3, chunk_flood),
    "half-open": many(1_500, half_open),
    "slow-head": many(500, slow_head),
    "slow-body": many(500, slow_body),
    "slow-frame": many(300, slow_frame),
    "page-flood": many(10, page_flood),
    "too-large": many(3, too_large),
    "pongs": many(3, pongs),
    "tiny-messages": many(3, tiny_messages),
    "fragments": many(3, fragments),
    "empty-fragments": many(3, empty_fragments),
    "half-messages": many(1_000, half_messages),
    "compression": many(3, compression),
    "early-events": many(3, until_put_out(EARLY, 0.01)),
    "ack-flood": many(3, until_put_out(ASKED_AND_ANSWERED, 0.005)),
    "join-storm": many(20, join_storm),
    "deaf-reader": many(2, deaf_reader),
    "counter-back": many(3, counter_back),
    "replayed-join": many(3, replayed_join),
    "other-ids": many(3, other_ids),
    "empty-rooms": many(4, empty_rooms),
}


async def main(name: str, port: int, seconds: float, until: tuple[str, int] | None) -> None:
    target = Target(port)
    attack = asyncio.ensure_future(ATTACKS[name](target))
    for _ in range(round(seconds / LOOK_SECONDS)):
        await asyncio.sleep(LOOK_SECONDS)
        if until is not None and target.did[until[0]] >= until[1]:
            break
    assert not attack.done(), "it goes on for ever"
    print(json.dumps(target.did), flush=True)  # noqa: T201 - to whoever has started it
    os._exit(0)  # as one whose machine is switched off: Python's own ways out wait for each task


if __name__ == "__main__":
    chosen, port_, seconds_, *until_ = sys.argv[1:]
    asyncio.run(main(chosen, int(port_), float(seconds_), (until_[0], int(until_[1])) if until_ else None))
