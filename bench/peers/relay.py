"""A room relay on python-socketio, as its documentation would write it; knows no server that it runs on."""

import itertools
from collections import defaultdict

import socketio


def relay(server: socketio.AsyncServer) -> None:
    """Tells this server what to do with each event. Rooms are never forgotten; a measurement is short."""
    ids: defaultdict[str, itertools.count[int]] = defaultdict(lambda: itertools.count(1))
    rooms: dict[str, str] = {}

    async def join(sid: str, room: str) -> dict[str, int]:
        await server.enter_room(sid, room)
        rooms[sid] = room
        return {}

    async def send_message(sid: str, message: str) -> dict[str, int]:
        room = rooms[sid]
        number = next(ids[room])
        await server.emit("get_message", {"id": number, "member": sid, "message": message}, room=room)
        return {"id": number}

    async def disconnect(sid: str, _reason: str) -> None:
        rooms.pop(sid, None)

    server.on("join", join)
    server.on("send_message", send_message)
    server.on("disconnect", disconnect)
