"""The server's doors as a target: a real Tornado server in this process, real connections on loopback, and a clock in
hand, so that every session that a visit leaves behind can be seen to end."""

import asyncio
import contextlib
import logging
import socket

import tornado.httpserver
import tornado.web

from handlers import engine, routes
from handlers.address import Addresses
from handlers.assets import read_assets
from handlers.base import NotFoundHandler
from handlers.client import Client
from handlers.connections import Connections
from handlers.engine import ANY_ORIGIN
from handlers.languages import read_languages
from handlers.line import Lines
from handlers.pages import PageFacts
from handlers.polling import PollingTransport
from protocol import Frame
from protocol.engineio import Packet, PacketType
from protocol.session import Timing, Via
from tests.echo.applications import EngineEcho, SocketEcho
from tests.fuzz.bounds import Hang
from tests.fuzz.decoders import SOCKET_IO, Target, must
from tests.fuzz.mutation import Input
from tests.programs import ROOT
from tests.rooms.stage import SITE, Stage

SID = b"{sid}"
"""Stands for the id of a session that polls."""
MAX_PAYLOAD = 50_000
ORIGIN = "https://chat.example"
PATIENCE = 5.0
"""Seconds until a line that should be at its end counts as hanging."""
FACTS = PageFacts("!?", ("://",), "filtered", "link", 10_000, 1_000_000)


class Complaints(logging.Handler):
    """What the server complains about. Tornado's warnings are about the visitor, those of asyncio about the machine."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR or not record.name.startswith(("tornado.", "asyncio")):
            error = record.exc_info[1] if record.exc_info else None
            if isinstance(error, ValueError) and "attachments; at most" in str(error):
                return  # an echo of one attachment in many places, which may come but cannot be sent
            self.heard.append(f"{record.name}: {record.getMessage()[:60]}: {error!r}"[:200])


class House:
    """The server. `visit` is one visitor with all that they send, and what must hold when they have gone."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._complaints = Complaints()
        logging.getLogger().addHandler(self._complaints)
        self._loop.set_exception_handler(lambda _, context: self._complaints.heard.append(repr(context)[:200]))
        self._stage = Stage()
        self._visits = 0
        self._port = self._loop.run_until_complete(self._open())

    async def _open(self) -> int:
        await self._stage.chat.start()
        timing = Timing(max_payload=MAX_PAYLOAD, outbox_bytes=MAX_PAYLOAD)
        namespaces = {"/": self._stage.chat}
        self._connections = Connections(
            lambda connection: Client(connection, namespaces, MAX_PAYLOAD), timing, self._stage.clock, at_most=100
        )
        assets = read_assets(ROOT / "static")
        echoes = {"/": SocketEcho(), "/custom": SocketEcho()}
        clock = self._stage.clock
        socket_echo = Connections(lambda each: Client(each, echoes, MAX_PAYLOAD), timing, clock, at_most=100)
        engine_echo = Connections(EngineEcho, timing, clock, at_most=100)
        self._lines = Lines(self._loop)
        self._all = (self._connections, socket_echo, engine_echo)
        addresses = Addresses(())
        application = tornado.web.Application(
            [
                *routes(assets, FACTS, SITE, self._connections, self._lines, [ORIGIN], addresses),
                engine(r"/echo/", socket_echo, self._lines, [ANY_ORIGIN], addresses),
                engine(r"/engine/", engine_echo, self._lines, [ANY_ORIGIN], addresses),
            ],
            default_handler_class=NotFoundHandler,
            template_path=str(ROOT / "templates"),
            languages=read_languages(ROOT / "locale"),
            assets=assets,
            compress_response=True,
            log_function=lambda handler: None,
        )
        self._server = tornado.httpserver.HTTPServer(application, max_body_size=MAX_PAYLOAD)
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        self._server.add_socket(listener)
        return int(listener.getsockname()[1])

    def close(self) -> None:
        self._loop.run_until_complete(self._close())
        self._loop.close()
        logging.getLogger().removeHandler(self._complaints)

    async def _close(self) -> None:
        self._server.stop()
        for connections in self._all:
            connections.close()
        await self._lines.close(1)
        await self._server.close_all_connections()
        await self._stage.chat.close()

    def visit(self, frames: Input) -> None:
        """Bytes go out as they are, texts as WebSocket messages."""
        self._loop.run_until_complete(self._visit(frames))
        heard, self._complaints.heard = self._complaints.heard, []
        must(not heard, "complaints: " + "; ".join(heard))

    async def _visit(self, frames: Input) -> None:
        self._visits += 1
        connection = self._connections.open(PollingTransport(), Via.POLLING)
        await connection.handle(Packet(PacketType.MESSAGE, "0"), connection.transport)
        sid = connection.session.sid.encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            with contextlib.suppress(OSError):  # it may have been shown the door before it has said all
                for frame in frames:
                    writer.write(message(frame) if isinstance(frame, str) else frame.replace(SID, sid))
                    await asyncio.wait_for(writer.drain(), PATIENCE)
                    await self._settle()
                if self._visits % 2:
                    writer.write_eof()
                    await self._long_after()
                    await asyncio.wait_for(reader.read(), PATIENCE)
        except TimeoutError as error:
            raise Hang("a line without an end") from error
        finally:
            writer.transport.abort()
        await self._leave_no_trace()
        if self._visits % 20 == 0:
            await self._still_answers()

    async def _leave_no_trace(self) -> None:
        await self._long_after()
        for connections in self._all:
            must(not connections._open, "a session is left")
            must(not connections._farewells, "a farewell is left")
        must(self._stage.nobody, "a guest is left")
        self._stage.clock.advance(10_000)
        must(self._stage.clock.pending == 0, "a timer is left")

    async def _long_after(self) -> None:
        """Whoever was waited for has been given up."""
        await self._settle()
        for _ in range(4):
            self._stage.clock.advance(50)
            await self._settle()

    async def _still_answers(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), PATIENCE)
        writer.transport.abort()
        must(answer.startswith(b"HTTP/1.1 200 "), "no answer any more")

    async def _settle(self) -> None:
        """Both ends are in this loop, and loopback is quick: what was sent has come and been dealt with."""
        for _ in range(12):
            await asyncio.sleep(0)
            self._stage.clock.advance(0)


def message(text: str) -> bytes:
    """A WebSocket text message. Its mask is zero, so that what it says stands in the bytes."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        head = bytes([0x81, 0x80 | size])
    elif size < 1 << 16:
        head = b"\x81\xfe" + size.to_bytes(2, "big")
    else:
        head = b"\x81\xff" + size.to_bytes(8, "big")
    return head + bytes(4) + payload


def framed(packet: Frame) -> Frame:
    """A Socket.IO packet's text or attachment as it goes over a WebSocket."""
    return f"4{packet}" if isinstance(packet, str) else b"\x82" + message(packet.decode("latin-1")[:60])[1:]


def request(line: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]).encode() + body


POLL = "/socket.io/?EIO=4&transport=polling"
UPGRADE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {'A' * 22}==")
DIAL = request("GET /socket.io/?EIO=4&transport=websocket", *UPGRADE)
ECHO = DIAL.replace(b"/socket.io/", b"/echo/")
TAKE_OVER = request("GET /socket.io/?EIO=4&transport=websocket&sid={sid}", *UPGRADE)


def post(body: bytes, *headers: str) -> bytes:
    return request(f"POST {POLL}&sid={{sid}}", f"Content-Length: {len(body)}", *headers, body=body)


CHUNKED = request(
    f"POST {POLL}&sid={{sid}}", "Transfer-Encoding: chunked", body=b"3\r\n2\x1e4\r\n2;a=b\r\n2[\r\n0\r\n\r\n"
)

VISITS: tuple[Input, ...] = (
    (request(f"GET {POLL}"),),
    (request(f"GET {POLL}&sid={{sid}}"),),
    (request(f"GET {POLL}&sid={{sid}}") * 3,),
    (post(b'42["get_public_key"]\x1e421["get_public_key"]'), request(f"GET {POLL}&sid={{sid}}")),
    (post(b'451-["a",{"_placeholder":true,"num":0}]\x1ebAQIDBA==\x1e3'),),
    (post(b"1", "Content-Type: text/plain;charset=UTF-8") + request(f"GET {POLL}&sid={{sid}}"),),
    (post(b"4", "Content-Type: application/octet-stream", "Content-Encoding: gzip"),),
    (post(b"4[" * 100, "Expect: 100-continue")[:-50], post(b"3")),
    (CHUNKED,),
    (request(f"OPTIONS {POLL}", f"Origin: {ORIGIN}", "Access-Control-Request-Method: POST"),),
    (request(f"GET {POLL}", f"Origin: {ORIGIN}", "Accept-Encoding: gzip", "Cookie: io=a; b=c"),),
    (
        DIAL,
        "40",
        '42["get_public_key"]',
        '421["join-room",{"envelope":"AA","body":"AA"}]',
        "3",
        b"\x88\x82\0\0\0\0\x03\xe8",
    ),
    (DIAL, "40/admin,", "40", '42["send_message","AAAA"]', b"\x82\x81\0\0\0\0\x01", "41"),
    *((DIAL, "40", *map(framed, each)) for each in SOCKET_IO),
    (DIAL, b"\x01\x82\0\0\0\x0040", b"\x89\x80\0\0\0\0", b"\x80\x80\0\0\0\0", b"\x8a\x80\0\0\0\0"),
    (TAKE_OVER, "2probe", request(f"GET {POLL}&sid={{sid}}"), "5", '42["get_public_key"]', "41"),
    (TAKE_OVER, "2probe", "5", "40", '420["get_public_key"]'),
    (
        ECHO,
        '40{"a":1}',
        '421["message-with-ack",[1,{"a":null}]]',
        '42["message","a"]',
        '42["ask",1,"b"]',
        "430[2]",
        "41",
    ),
    (ECHO, "40/custom,", '451-/custom,7["message-with-ack",{"_placeholder":true,"num":0}]', b"\x82\x81\0\0\0\0\x01"),
    (ECHO, "40", '42["leave-me"]', "40", "3", "41/custom,", "40/none,"),
    (ECHO.replace(b"/echo/", b"/engine/"), "4a", b"\x82\x82\0\0\0\0\x01\x02", "3", "4" + "\u00e4" * 50, "1"),
    *((ECHO, "40", '42["ask"]', *map(framed, each)) for each in SOCKET_IO),
    *(
        (request(f"GET {path}", "Accept-Encoding: gzip"),)
        for path in ("/", "/room", "/site.json", "/healthz", "/nothing")
    ),
    (request("HEAD /static/x/js/room.js", "Range: bytes=0-5", 'If-None-Match: "a"', "If-Modified-Since: x"),),
    (
        request(
            "POST /room", "Content-Type: multipart/form-data; boundary=a", "Content-Length: 9", body=b"--a\r\n\r\n--"
        ),
    ),
)


def target(house: House) -> Target:
    """Nothing that a visitor sends may be refused with an exception."""
    return Target("the server's doors", VISITS, house.visit, (), bytes_per_byte=200, memory=3_000_000, short=1000)
