"""Starts several servers over one Redis, each at a port that it keeps, and ends one of them in whatever way; knows one
proxy, which deals requests out to them by turns, and no test."""

import http.client
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import socketio

from tests.client import PATIENCE, Client
from tests.proxies import Proxy, nginx, running
from tests.redis_server import redis_server
from tests.serving import Served, kept_port, serve


class Nodes:
    """`ports`: by number, also of nodes that are down."""

    def __init__(self, ports: Sequence[int], **settings: str | float | tuple[float, float]) -> None:
        self.ports = ports
        self._settings = settings
        self._running: dict[int, tuple[ExitStack, Served]] = {}

    @property
    def places(self) -> dict[str, str]:
        """By those of the examples in config/, theirs."""
        return {f"127.0.0.1:500{1 + number}": f"127.0.0.1:{port}" for number, port in enumerate(self.ports)}

    def start(self, number: int) -> None:
        stack = ExitStack()
        served = stack.enter_context(serve(port=self.ports[number], **self._settings))  # type: ignore[arg-type]
        self._running[number] = stack, served

    def end(self, number: int, how: int = signal.SIGTERM) -> None:
        """Who is asked to end does so without a complaint."""
        stack, served = self._running.pop(number)
        with stack:
            status = served.stop(how)
        assert (status, served.stderr) == (0 if how == signal.SIGTERM else -how, "")

    def end_all(self) -> None:
        for number in list(self._running):
            self.end(number)

    def url(self, number: int) -> str:
        return f"http://127.0.0.1:{self.ports[number]}"

    def asked(self, number: int, path: str, body: bytes) -> int:
        """The status of the answer to a POST, without a proxy; 0 where nobody answers."""
        line = http.client.HTTPConnection("127.0.0.1", self.ports[number], timeout=PATIENCE)
        try:
            line.request("POST", path, body, {"Content-Type": "text/plain;charset=UTF-8"})
            return line.getresponse().status
        except ConnectionRefusedError:
            return 0
        finally:
            line.close()

    async def keys(self) -> dict[str, int]:
        """Which node it is that shows a key."""
        found = {}
        for number in self._running:
            async with Client(self.url(number)) as client:
                found[key_of(client)] = number
        return found


@contextmanager
def nodes(count: int = 2, **settings: str | float | tuple[float, float]) -> Iterator[Nodes]:
    """So many that run, over a Redis of their own."""
    with redis_server() as broker, ExitStack() as stack:
        ports = [stack.enter_context(kept_port()) for _ in range(count)]
        house = Nodes(ports, broker=broker, **settings)
        stack.callback(house.end_all)
        for number in range(count):
            house.start(number)
        yield house


@contextmanager
def by_turns(tmp: Path) -> Iterator[Proxy]:
    """Two nodes and what stands in front of them. `tmp`: a folder for it.

    A ping comes each second: python-engineio, whose POST the wrong node has refused while its GET waits at the right
    one, notices with the next thing that it hears."""
    with nodes(behind_proxy=True, ping_interval=1) as house:
        sticky = "    hash $chatsite_client consistent;\n"
        with running(nginx, "nginx-nodes.conf", {**house.places, sticky: ""}, tmp) as proxy:
            yield proxy


def key_of(client: Client) -> str:
    """The key that the node has shown which this client is at: each has its own."""
    return str(client.all("send_public_key")[-1])


async def connected(client: Client) -> bool:
    """Whether it is, after one try; what is not is closed."""
    with suppress(socketio.exceptions.ConnectionError):
        await client.connect()
        return True
    await client.close()
    return False


async def returned(gone: Client, **options: object) -> Client:
    """The same person on a new line, as soon as there is one: joined anew, and told what it has missed."""
    await gone.hears("disconnect")
    await gone.close()
    ends = time.monotonic() + PATIENCE
    fresh = Client(gone.url, signer=gone.signer, **options)  # type: ignore[arg-type]
    while not await connected(fresh):
        assert time.monotonic() < ends, "there is no way back"
        fresh = Client(gone.url, signer=gone.signer, **options)  # type: ignore[arg-type]
    assert await fresh.join(gone.room, gone.username, since=gone.place) == {"member": gone.member}
    return fresh
