"""Two people talk, over http on the same machine and over https with the self-made certificate."""

import asyncio

from tests.e2e.conftest import Enter


async def test_two_people_talk(enter: Enter) -> None:
    alice, bob = await asyncio.gather(enter("room-talk", "Alice"), enter("room-talk", "Bobby"))
    await alice.see_people("Alice", "Bobby")
    await bob.see_people("Alice", "Bobby")
    await alice.say("Hello Bobby")
    await bob.hears("Hello Bobby")
    await bob.say("Hello Alice")
    await alice.see_texts("Hello Bobby", "Hello Alice")
    await bob.see_texts("Hello Bobby", "Hello Alice")
