"""Starts the echo server: `python -m tests.echo --port=3000`. Times in seconds.

Socket.IO at /socket.io/ with the namespaces `/` and `/custom`, bare Engine.IO at /engine.io/, for pages of any origin.
"""

import argparse
import asyncio
import signal

import tornado.netutil
import tornado.web
from tornado.httpserver import HTTPServer

from handlers import engine
from handlers.address import Addresses
from handlers.client import Client
from handlers.connections import Connections
from handlers.engine import ANY_ORIGIN
from handlers.line import Lines
from handlers.websocket import CLOSE_SECONDS
from protocol.session import Timing
from tests.echo.applications import EngineEcho, SocketEcho

MAX_PAYLOAD = 1_000_000
MAX_CONNECTIONS = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.echo", allow_abbrev=False)
    parser.add_argument("--port", type=int, default=3000, help="0: any that is free")
    parser.add_argument("--ping-interval", type=float, default=0.3)
    parser.add_argument("--ping-timeout", type=float, default=0.2)
    parser.add_argument("--connect-timeout", type=float, default=1.0)
    chosen = parser.parse_args()
    timing = Timing(chosen.ping_interval, chosen.ping_timeout, chosen.connect_timeout, max_payload=MAX_PAYLOAD)
    asyncio.run(serve(chosen.port, timing))


async def serve(port: int, timing: Timing) -> None:
    """Until it is told to stop."""
    loop = asyncio.get_running_loop()
    namespaces = {"/": SocketEcho(), "/custom": SocketEcho()}
    sockets = Connections(
        lambda connection: Client(connection, namespaces, MAX_PAYLOAD), timing, loop, at_most=MAX_CONNECTIONS
    )
    engines = Connections(EngineEcho, timing, loop, at_most=MAX_CONNECTIONS)
    lines, addresses = Lines(loop), Addresses(())
    application = tornado.web.Application(
        [
            engine(r"/socket\.io/", sockets, lines, [ANY_ORIGIN], addresses),
            engine(r"/engine\.io/", engines, lines, [ANY_ORIGIN], addresses),
        ],
        log_function=lambda handler: None,
    )
    server = HTTPServer(application)
    listening = tornado.netutil.bind_sockets(port, "127.0.0.1")
    server.add_sockets(listening)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    print(f"Echo listens: http://127.0.0.1:{listening[0].getsockname()[1]}", flush=True)
    await stopped.wait()
    server.stop()
    for connections in (sockets, engines):
        connections.close()
    await lines.close(CLOSE_SECONDS)
    await asyncio.sleep(0)  # polls that wait are answered before their lines are closed
    await server.close_all_connections()


if __name__ == "__main__":
    main()
