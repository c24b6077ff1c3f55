"""What a node knows of the rooms that it has members in: follows each by its channel, asks for what is missing, and
lets go of a room with its last member here. Gives no command.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from rooms.clock import Clock
from rooms.model import Joined, Lost, Member, MemberId, Refused, RoomAddress, RoomEvent
from rooms.redis_channels import Channels
from rooms.redis_link import report
from rooms.redis_room import Answer, read_epoch, read_state, read_step
from rooms.redis_topology import Topology
from rooms.track import State, Step, Track

logger = logging.getLogger(__name__)

WAIT_SECONDS = 1.0
"""For what should have come on the channel; then the room's state is asked for."""


class Follower:
    """`node`: this one. `ask`: the answer to the command `state` about a track, or Refused. `deliver`: gets the
    events. `learned`: is told of each state that Redis answers with."""

    def __init__(
        self,
        node: str,
        topology: Topology,
        ask: Callable[[Track], Awaitable[Answer]],
        clock: Clock,
        learned: Callable[[RoomAddress, State], None],
    ) -> None:
        self.deliver: Callable[[RoomEvent], None] = lambda event: None
        self.tracks: dict[RoomAddress, Track] = {}
        self.led: set[RoomAddress] = set()
        """Rooms whose oldest member is here: each room of the site is in one such set."""
        self.channels = Channels(topology, self.tracks.__contains__)
        self._node = node
        self._ask = ask
        self._clock = clock
        self._learned = learned
        self._catching_up: set[RoomAddress] = set()
        self._waiting: set[RoomAddress] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def node_of(self, room: RoomAddress, member: MemberId) -> str | None:
        """Where a member is; None for one that nobody here knows of."""
        track = self.tracks.get(room)
        held = track.roster.get(member) if track is not None else None
        return None if held is None else held.node

    async def joined(self, address: RoomAddress, member: Member, answer: Answer) -> None:
        """A member of this node has joined, within `channels.entering`. Returns when that is told."""
        state = read_state(answer)
        self._learned(address, state)
        track = self.tracks.get(address)
        if track is not None and track.epoch != state.epoch:
            self._lose(track)
            track = None
        if track is None:
            track = self._follow(address, state)
        event = Joined(address, member, state.snapshot(), bool(answer[8]))
        await self._offered(track, Step(state.seq, event, node=self._node))

    async def caused(
        self, address: RoomAddress, answer: Answer, event: RoomEvent, before: str = "", after: str = ""
    ) -> None:
        """A command of this node has caused an event. Returns when it is told."""
        track = self.tracks.get(address)
        if track is None:
            return
        if track.epoch != read_epoch(answer[2]):
            self.look(track)
            return
        await self._offered(track, Step(int(answer[1]), event, before, after))

    def heard(self, channel: bytes, data: bytes) -> None:
        """Said on some channel. Raises ValueError, KeyError and TypeError where that is no event."""
        address = self.channels.room_of(channel)
        if address is None:
            return
        said = json.loads(data)
        if address in self.tracks:
            self._hear(self.tracks[address], said)
        else:
            self.channels.keep(address, said)

    def sure(self, channel: bytes) -> None:
        """Nothing that is said there is missed from now on."""
        self.channels.sure(channel)
        address = self.channels.room_of(channel)
        if address in self.tracks:
            self.look(self.tracks[address])

    def look(self, track: Track) -> None:
        """Something of this room may have been missed."""
        if self.tracks.get(track.address) is track and track.address not in self._catching_up:
            task = asyncio.ensure_future(self._catch_up(track))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(report)

    async def close(self) -> None:
        """Nothing is told any more."""
        self.deliver = lambda event: None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _follow(self, address: RoomAddress, state: State) -> Track:
        """From now on what happens in a room is told here; this state's own last event is yet to be."""
        before = State(state.seq - 1, state.epoch, state.last, state.chain, state.timer, state.members, ())
        track = self.tracks[address] = Track(address, self._node, before, self._tell, self._gap)
        for said in self.channels.kept(address):
            self._hear(track, said)
        return track

    def _hear(self, track: Track, said: dict[str, Any]) -> None:
        if read_epoch(said["epoch"]) != track.epoch:
            self.look(track)
        elif said["kind"] != "joined" or said["node"] != self._node:  # its own the answer tells better
            track.offer(read_step(track.address, said))

    async def _offered(self, track: Track, step: Step) -> None:
        track.offer(step)
        if track.seq >= step.seq:
            return
        try:
            await asyncio.wait_for(asyncio.shield(track.told(step.seq)), WAIT_SECONDS)
        except TimeoutError:
            await self._catch_up(track)

    def _tell(self, event: RoomEvent) -> None:
        self.deliver(event)
        track = self.tracks.get(event.room)
        if track is None:
            return
        if not track.mine and not self.channels.entered_by(event.room):
            self._forget(track)
        elif track.led:
            self.led.add(event.room)
        else:
            self.led.discard(event.room)

    def _forget(self, track: Track) -> None:
        """Nobody of this node is there any more."""
        track.end()
        del self.tracks[track.address]
        self.led.discard(track.address)
        self.channels.release(track.address)

    def _lose(self, track: Track) -> None:
        """Whoever is here has to join anew."""
        self._forget(track)
        self.deliver(Lost(track.address))

    def _gap(self, track: Track) -> None:
        if track.crowded or track.broken:
            self.look(track)
        elif track.address not in self._waiting:
            self._waiting.add(track.address)
            self._clock.call_later(WAIT_SECONDS, lambda: self._waited(track))

    def _waited(self, track: Track) -> None:
        self._waiting.discard(track.address)
        if track.waits:
            self.look(track)

    async def _catch_up(self, track: Track) -> None:
        """What was missed is told now; where more was missed than is kept, all that are here join anew."""
        known = track.seq
        self._catching_up.add(track.address)
        try:
            state = read_state(await self._ask(track))
        except Refused:
            return  # once more when Redis is back, or with the next lease
        finally:
            self._catching_up.discard(track.address)
        self._learned(track.address, state)
        if self.tracks.get(track.address) is not track:
            return
        if known <= state.seq < track.seq and state.epoch == track.epoch and not track.broken:
            return  # it is older than what has come meanwhile
        if not track.adopt(state):
            self._lose(track)
