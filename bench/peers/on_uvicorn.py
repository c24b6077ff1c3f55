"""The relay on uvicorn and uvloop."""

import socket
import sys

import socketio
import uvicorn

from bench.peers import BACKLOG
from bench.peers.relay import relay

if __name__ == "__main__":
    server = socketio.AsyncServer(async_mode="asgi")
    relay(server)
    listening = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=BACKLOG)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)  # what connects by now waits in the backlog
    config = uvicorn.Config(
        socketio.ASGIApp(server),
        loop="uvloop",
        backlog=BACKLOG,
        log_level="warning",
        access_log=False,
        ws_per_message_deflate=False,
    )
    uvicorn.Server(config).run(sockets=[listening])
