"""The vocabulary of the chat: clients' events become broker commands, room events become events for clients.

It decides who may do what. It cannot read a message, a name or a room's name, and it keeps no room state but
who sits here. Source: docs/protocol.md, "Events".
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from envelope import Channel, EnvelopeError
from protocol import Json
from protocol.namespace import Departure, Socket
from rooms import events
from rooms.broker import Broker
from rooms.clock import Clock
from rooms.files import Give, Relay, Seat, Wanted, parse_wanted
from rooms.guest import Guest, Policy, Stage
from rooms.hub import Hub
from rooms.join import LARGEST_ENVELOPE, LARGEST_JOIN_BODY, Door, Join
from rooms.limits import Allowance, Meters, TokenBucket
from rooms.lobby import Lobby
from rooms.model import (
    PERSON_CLASSES,
    ErrorCode,
    Member,
    MemberId,
    Refused,
    RoomAddress,
    from_base64url,
    parse_ciphertext,
    parse_message,
    parse_timer,
)
from rooms.post import FarSeat, Post
from rooms.tally import Tally

LEAVING = frozenset({events.LEAVE_ROOM, events.DISCONNECT_USER})
"""Never refused for being too many: whoever has talked too much may still go."""
FREE = LEAVING | {events.GET_CHUNK}
"""Files have a pace of their own."""


class ChatNamespace:
    """The chat as a Socket.IO namespace. `run` takes a function off the loop and awaits its result."""

    def __init__(
        self,
        door: Door,
        broker: Broker,
        hub: Hub,
        policy: Policy,
        clock: Clock,
        run: Callable[[Callable[[], Join]], Awaitable[Join]],
        tally: Tally | None = None,
    ) -> None:
        self._tally = tally or Tally()
        self._door = door
        self._broker = broker
        self._hub = hub
        self._policy = policy
        self._clock = clock
        self._run = run
        self._shared = bool(broker.node)
        self.meters = Meters(policy.quotas, shared=self._shared)
        self._post = Post(broker.node, self._send_letter, self._lend, clock)
        self._relay = Relay(policy.files, self._seat, clock, self._tally)
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._lobby = Lobby(broker, hub, policy, clock)
        self._sealed: dict[str, Callable[[Guest, bytes], Coroutine[Any, Any, Json]]] = {
            events.SEND_MESSAGE: self._send_message,
            events.TYPING: self._typing,
            events.UPDATE_USER: self._update_user,
            events.SET_TIMER: self._set_timer,
            events.GET_CHUNK: self._get_chunk,
            events.LEAVE_ROOM: self._leave_room,
            events.DISCONNECT_USER: self._disconnect_user,
        }

    async def start(self) -> None:
        """From now on the broker's feed reaches the clients of this node."""
        await self._broker.start(self._lobby.deliver, self._post.receive)

    def obey(self, policy: Policy) -> None:
        """Another policy: at once for all that share something, else for clients to come."""
        self._policy, self.meters = policy, Meters(policy.quotas, shared=self._shared)
        self._lobby.obey(policy)
        self._relay.obey(policy.files)

    def refuse_all(self) -> None:
        """The server stops. What is asked from now on would be lost with it, so whoever asks is to keep it."""
        self._stopping = True

    async def close(self) -> None:
        """No task and no timer of the chat is left behind."""
        self._relay.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._lobby.close()

    # -- what a client causes: protocol.namespace.Namespace

    def authorize(self, auth: Json) -> None:
        """Everybody may connect: what counts is the proof when joining."""

    def connected(self, socket: Socket) -> None:
        quotas, now = self._policy.quotas, self._clock.time()
        guest = Guest(socket, Allowance(quotas.socket, now), TokenBucket(quotas.refusals, now))
        self._lobby.welcome(guest)
        guest.patience = self._clock.call_later(self._policy.join_timeout, lambda: self._disconnect(guest))
        socket.emit(events.SEND_PUBLIC_KEY, self._door.key.pem)

    async def event(self, socket: Socket, name: str | int, args: list[Json]) -> list[Json]:
        guest = self._lobby.find(socket)
        try:
            if guest is None:
                raise Refused(ErrorCode.NOT_IN_ROOM)
            match args:
                case [str(sealed)] if isinstance(name, str) and name in self._sealed:
                    return [await self._command(guest, name, sealed)]
                case [] if name == events.GET_PUBLIC_KEY:
                    self._pay(guest, 0)
                    return [self._door.key.pem]
                case [request] if name == events.JOIN_ROOM:
                    return [await self._join(guest, request)]
                case _:
                    raise Refused(ErrorCode.BAD_REQUEST)
        except Refused as refused:
            self._tally.refused[refused.code.value] += 1
            if guest is not None and guest.refused_once_too_often(refused.code, self._clock.time()):
                self._disconnect(guest)
            return [{"error": refused.code.value}]

    def disconnected(self, socket: Socket, departure: Departure) -> None:
        self._lobby.gone(socket, departure)

    def _command(self, guest: Guest, name: str, sealed: str) -> Coroutine[Any, Any, Json]:
        if guest.stage is not Stage.INSIDE or guest.channel is None:
            raise Refused(ErrorCode.NOT_IN_ROOM)
        body = self._unseal(guest, guest.channel, name, sealed)
        if name not in LEAVING:
            self._must_go_on()
        if name not in FREE:
            self._pay(guest, len(body))
        return self._sealed[name](guest, body)

    def _must_go_on(self) -> None:
        if self._stopping:
            raise Refused(ErrorCode.UNAVAILABLE)

    def _pay(self, guest: Guest, size: int) -> None:
        if not self.meters.event(guest.allowance, guest.socket.address, guest.room, self._clock.time(), size):
            raise Refused(ErrorCode.RATE_LIMITED)

    def _unseal(self, guest: Guest, channel: Channel, name: str, sealed: str) -> bytes:
        """A request that does not open comes from nobody we know: that connection ends."""
        try:
            return channel.open(name, from_base64url(sealed))
        except (EnvelopeError, ValueError) as error:
            self._disconnect(guest)
            raise Refused(ErrorCode.BAD_ENVELOPE) from error

    async def _join(self, guest: Guest, request: Json) -> Json:
        self._must_go_on()
        if guest.stage is not Stage.OUTSIDE:
            raise Refused(ErrorCode.BAD_REQUEST)
        match request:
            case {"envelope": str(sealed), "body": str(body)} if (
                len(sealed) <= LARGEST_ENVELOPE and len(body) <= LARGEST_JOIN_BODY
            ):
                pass
            case _:
                raise Refused(ErrorCode.BAD_REQUEST)
        if not self.meters.attempt(guest.socket.address, self._clock.time()):
            raise Refused(ErrorCode.RATE_LIMITED)
        guest.stage = Stage.JOINING
        guest.attempts += 1
        began = self._clock.time()
        try:
            return await self._enter(guest, sealed, body)
        except Refused as refused:
            if guest.stage is Stage.JOINING:
                guest.stage = Stage.OUTSIDE
            guest.attempts -= refused.code is ErrorCode.UNAVAILABLE  # that is not its fault
            if guest.attempts >= self._policy.quotas.attempts:
                self._disconnect(guest)
            raise
        finally:
            self._tally.joins.note(self._clock.time() - began)

    async def _enter(self, guest: Guest, sealed: str, body: str) -> Json:
        try:
            envelope_bytes, body_bytes = from_base64url(sealed), from_base64url(body)
        except ValueError as error:
            raise Refused(ErrorCode.BAD_REQUEST) from error
        socket_id = guest.socket.id

        def opened() -> Join:
            # Many may wait for their turn: who has gone by then is not worth an RSA operation.
            guest.must_still_join()
            return self._door.open(socket_id, envelope_bytes, body_bytes)

        join = await self._run(opened)
        guest.must_still_join()
        if not self.meters.join(join.address, self._clock.time()):
            raise Refused(ErrorCode.RATE_LIMITED)
        guest.room, guest.member = join.address, join.member
        guest.since, guest.channel = join.since, join.channel
        await self._broker.join(join.address, Member(join.member, join.user, socket_id))
        if not guest.admitted:
            # The client went while the broker worked: `disconnected` saw nobody inside, so the seat is ours to free.
            await self._broker.leave(join.address, join.member, socket_id)
            raise Refused(ErrorCode.NOT_IN_ROOM)
        return {"member": join.member}

    async def _send_message(self, guest: Guest, body: bytes) -> Json:
        message = parse_message(guest.member, body)
        began = self._clock.time()
        number = await self._broker.publish(guest.room, message, guest.socket.id)
        self._tally.messages += 1
        self._tally.published.note(self._clock.time() - began)
        return {"id": number}

    async def _typing(self, guest: Guest, body: bytes) -> Json:
        ciphertext = parse_ciphertext(body, PERSON_CLASSES)
        await self._broker.signal(guest.room, guest.member, guest.socket.id, ciphertext)
        return {}

    async def _update_user(self, guest: Guest, body: bytes) -> Json:
        user = parse_ciphertext(body, PERSON_CLASSES)
        await self._broker.change(guest.room, Member(guest.member, user, guest.socket.id))
        return {}

    async def _set_timer(self, guest: Guest, body: bytes) -> Json:
        await self._broker.keep(guest.room, guest.member, guest.socket.id, parse_timer(body))
        return {}

    async def _get_chunk(self, guest: Guest, body: bytes) -> Json:
        self._relay.ask(guest, parse_wanted(guest.room, body))
        return {}

    def _seat(self, room: RoomAddress, member: MemberId) -> Seat | None:
        """Where a member can be asked for what it has."""
        node = self._broker.elsewhere(room, member)
        return self._hub.seat(room, member) if node is None else FarSeat(self._post, node, room, member)

    def _lend(self, wanted: Wanted, give: Give) -> None:
        self._relay.lend(self._hub.seat(wanted.room, wanted.member), wanted, give)

    def _send_letter(self, node: str, letter: bytes) -> None:
        task = asyncio.ensure_future(self._broker.post(node, letter))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _leave_room(self, guest: Guest, body: bytes) -> Json:
        if body:
            raise Refused(ErrorCode.BAD_REQUEST)
        guest.go()
        self._hub.leave(guest.room, guest.member, guest.socket)
        await self._broker.leave(guest.room, guest.member, guest.socket.id)
        return {}

    async def _disconnect_user(self, guest: Guest, body: bytes) -> Json:
        answer = await self._leave_room(guest, body)
        # After the ack has been queued: this socket's line ends with it.
        self._clock.call_later(0, lambda: self._lobby.put_out(guest.socket))
        return answer

    def _disconnect(self, guest: Guest) -> None:
        """Shows a client the door, at once: its place in the room is free, nobody waits for it. It cannot begin anew on
        the same connection, where nothing would be known of what it has used up."""
        self._lobby.gone(guest.socket, Departure.LEFT)
        self._clock.call_later(0, lambda: guest.socket.disconnect(for_good=True))
