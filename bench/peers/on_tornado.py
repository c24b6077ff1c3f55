"""The relay on Tornado. With --tuned the garbage collector is told to look less often."""

import asyncio
import gc
import sys

import socketio
import tornado.netutil
import tornado.web
from tornado.httpserver import HTTPServer

from bench.peers import BACKLOG
from bench.peers.relay import relay


async def main(port: int, *, tuned: bool) -> None:
    """Serves until it is killed."""
    server = socketio.AsyncServer(async_mode="tornado")
    relay(server)
    http = HTTPServer(tornado.web.Application([(r"/socket.io/", socketio.get_tornado_handler(server))]))
    sockets = tornado.netutil.bind_sockets(port, "127.0.0.1", backlog=BACKLOG)
    http.add_sockets(sockets)
    if tuned:
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)
    print(f"http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), tuned="--tuned" in sys.argv))
