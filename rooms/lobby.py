"""The clients of this node as rooms see them: who has come in, whose place is kept, and what each is told of what
happens in its room. Knows no request, and decides about nobody's rights.
"""

import asyncio

from protocol.namespace import Departure, Socket
from rooms import events
from rooms.broker import Broker
from rooms.clock import Clock
from rooms.guest import Grace, Guest, Policy, Stage
from rooms.hub import Hub
from rooms.model import Changed, Joined, Left, Lost, Posted, RoomAddress, RoomEvent, Typed


class Lobby:
    """Everybody who is connected here, by the id of the socket."""

    def __init__(self, broker: Broker, hub: Hub, policy: Policy, clock: Clock) -> None:
        self._broker = broker
        self._hub = hub
        self._policy = policy
        self._guests: dict[str, Guest] = {}
        self._grace = Grace(policy.grace_time, clock)
        self._tasks: set[asyncio.Task[None]] = set()

    def obey(self, policy: Policy) -> None:
        """Another policy, for what happens from now on."""
        self._policy = policy
        self._grace.seconds = policy.grace_time

    def welcome(self, guest: Guest) -> None:
        """Somebody is connected, and in no room yet."""
        self._guests[guest.socket.id] = guest

    def find(self, socket: Socket) -> Guest | None:
        """Who is at the other end; None once they are out."""
        return self._guests.get(socket.id)

    def gone(self, socket: Socket, departure: Departure) -> None:
        """A line has ended: a member's place is kept for a while, unless they meant to go."""
        guest = self._guests.pop(socket.id, None)
        if guest is None or guest.go() is not Stage.INSIDE:
            return
        self._hub.leave(guest.room, guest.member, socket)
        if departure is Departure.LEFT:
            self._give_up(guest)
        else:
            self._keep_place(guest)

    def put_out(self, socket: Socket) -> None:
        """Who has left, or sits elsewhere now: this connection has no place and no business any more."""
        guest = self._guests.pop(socket.id, None)
        if guest is not None:
            guest.go()
        socket.disconnect()

    def deliver(self, event: RoomEvent) -> None:
        """The broker's feed."""
        match event:
            case Posted():
                self._hub.spread(event.room, [events.encode_entry(event.entry)])
            case Joined():
                self._admit(event)
            case Left(room, member):
                self._grace.end(room, member)
                seated = self._hub.leave(room, member)
                if seated is not None:  # the node was away for so long that nobody believed in it any more
                    self._drop(seated)
                self._hub.broadcast(room, events.USER_LEFT, {"member": member})
            case Changed(room, who):
                self._hub.broadcast(room, events.USER_CHANGED, {"member": who.id, "user": who.user})
            case Typed(room, member, ciphertext):
                self._hub.broadcast(room, events.TYPING, {"member": member, "typing": ciphertext})
            case Lost(room):
                self._lose(room)

    async def close(self) -> None:
        """Nobody is waited for any more."""
        self._grace.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _admit(self, joined: Joined) -> None:
        room, member = joined.room, joined.member
        self._grace.end(room, member.id)
        before = self._hub.leave(room, member.id)
        if before is not None and joined.missed:
            self._drop(before)  # a client that is still there comes back, and is in the later seat then
        elif before is not None:
            self.put_out(before)
        if not joined.returned:
            self._hub.broadcast(room, events.NEW_USER, {"member": member.id, "user": member.user})
        guest = self._guests.get(member.seat)
        if guest is None or guest.stage is not Stage.JOINING:
            return
        guest.settle()
        # Seated first: who is too slow even for this is closed by it, and that frees the seat.
        self._hub.enter(room, member.id, guest.socket)
        guest.socket.emit(events.CONNECTED, joined.told(guest.since, self._policy.message_ttl))
        guest.since = None

    def _lose(self, room: RoomAddress) -> None:
        for socket in self._hub.clear(room):
            guest = self._drop(socket)
            if guest is not None:
                self._keep_place(guest)

    def _drop(self, socket: Socket) -> Guest | None:
        """As if the line had broken: the client comes back by itself, joins anew and is told what it has missed."""
        guest = self._guests.pop(socket.id, None)
        if guest is not None:
            guest.go()
        socket.drop()
        return guest

    def _keep_place(self, guest: Guest) -> None:
        self._grace.begin(guest.room, guest.member, lambda: self._give_up(guest))

    def _give_up(self, guest: Guest) -> None:
        """Frees a place from where nothing can be awaited."""
        task = asyncio.ensure_future(self._broker.leave(guest.room, guest.member, guest.socket.id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
