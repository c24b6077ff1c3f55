"""Starting and stopping, as an operator does it: processes of the real program, their words and exit statuses."""

import asyncio
import hashlib
import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

import chatsite
import serving
import state
from tests.client import Client, talking
from tests.reference import Room
from tests.serving import HOUSE, Served, serve
from tests.websocket import RawWebSocket

NOT_LOCALHOST = "127.1"
"""A name by its form, which every system resolves to 127.0.0.1 without a network: no browser takes it for localhost."""


def chat(*flags: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """One run that ends by itself."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("CHATSITE_")}
    return subprocess.run(
        [sys.executable, str(HOUSE / "chatsite.py"), *flags],
        env=inherited | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def refusal(*flags: str, **variables: str) -> str:
    """The one line with which a start is refused."""
    ended = chat(*flags, **variables)
    assert ended.returncode == 2
    assert ended.stdout == ""
    lines = ended.stderr.splitlines()
    assert len(lines) == 1, ended.stderr
    assert lines[0].startswith("chatsite: ")
    return lines[0].removeprefix("chatsite: ")


# Words at the door


def test_help_names_every_flag() -> None:
    ended = chat("--help")
    assert ended.returncode == 0
    assert {"--ip", "--port", "--config", "--check-config", "--version", "--help"} <= set(
        re.findall(r"--[a-z-]+", ended.stdout)
    )


def test_version_is_the_installed_one() -> None:
    ended = chat("--version")
    assert (ended.returncode, ended.stdout) == (0, f"chatsite {metadata.version('chatsite')}\n")


def test_who_has_not_installed_it_is_told_how(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert chatsite.main(["--version"]) == 2
    assert capsys.readouterr().err == "chatsite: it is not installed; run: pip install -e .\n"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--ports=1"], "unrecognized arguments: --ports=1"),
        (["--po=1"], "unrecognized arguments: --po=1"),
        (["somewhere"], "unrecognized arguments: somewhere"),
        (["--ip"], "argument --ip: expected one argument"),
        (["--port=abc"], "--port: port = 'abc': expected a whole number from 0 to 65535"),
        (["--port=65536"], "--port: port = 65536: expected a whole number from 0 to 65535"),
        (["--ip=http://x"], "--ip: ip = 'http://x': expected an IP address or a host name"),
        (["--config=/nowhere.toml"], "/nowhere.toml: cannot be read (No such file or directory)"),
    ],
)
def test_wrong_flags_are_refused(flags: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert chatsite.main(flags) == 2
    assert capsys.readouterr() == ("", f"chatsite: {expected}\n")


def test_a_refusal_is_one_line_and_status_two_for_the_shell_too() -> None:
    assert refusal("--port=abc") == "--port: port = 'abc': expected a whole number from 0 to 65535"


def test_a_variable_names_the_file_and_a_flag_another(tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.toml", tmp_path / "good.toml"
    bad.write_text("port = -1")
    good.write_text("port = 1")
    assert refusal(CHATSITE_CONFIG=str(bad)).startswith(f"{bad}: port = -1: expected")
    assert chat("--check-config", f"--config={good}", CHATSITE_CONFIG=str(bad)).returncode == 0


def test_an_unknown_variable_is_refused() -> None:
    assert refusal(CHATSITE_PROT="1").startswith("CHATSITE_PROT: prot = '1': unknown key; expected one of ip, port")


# Looking before leaping


def test_a_good_configuration_is_said_to_be_good_and_nothing_is_written(tmp_path: Path) -> None:
    ended = chat("--check-config", "--ip=chat.example", CHATSITE_STATE_DIRECTORY=str(tmp_path / "state"))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "the configuration is good\n", "")
    assert list(tmp_path.iterdir()) == []


def test_checking_finds_what_starting_would(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.pem")
    variables = {"CHATSITE_TLS_CERTIFICATE": missing, "CHATSITE_TLS_KEY": missing}
    expected = f"tls_certificate = {missing!r}: cannot be read; expected a PEM file"
    assert refusal("--check-config", **variables) == expected
    assert refusal(CHATSITE_STATE_DIRECTORY=str(tmp_path / "state"), **variables) == expected
    assert refusal("--check-config", CHATSITE_TLS_KEY=missing).endswith("expected both or neither")
    assert refusal("--check-config", CHATSITE_GRACE_TIME="-1").startswith("CHATSITE_GRACE_TIME: grace_time = -1")


# What stops a start


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refusal(f"--port={port}", CHATSITE_STATE_DIRECTORY=str(tmp_path))
    assert said == f"port = {port}: in use on 127.0.0.1; expected a free port"


@pytest.mark.parametrize("ip", ["192.0.2.77", "256.1.1.1", "chat.invalid"])
def test_an_address_of_another_machine_is_refused(tmp_path: Path, ip: str) -> None:
    said = refusal(f"--ip={ip}", "--port=0", CHATSITE_STATE_DIRECTORY=str(tmp_path), CHATSITE_BEHIND_PROXY="true")
    assert re.fullmatch(rf"ip = '{re.escape(ip)}': expected an address or name of this machine \(.+\)", said)


def test_a_state_directory_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    said = refusal("--port=0", CHATSITE_STATE_DIRECTORY="/proc/self")
    assert re.fullmatch(r"state_directory = '/proc/self': site-salt .+; expected a folder to write in", said)
    (tmp_path / "file").write_text("")
    said = refusal("--port=0", CHATSITE_STATE_DIRECTORY=str(tmp_path / "file"))
    assert said.startswith(f"state_directory = '{tmp_path}/file': cannot be made (")


def test_a_broken_salt_is_refused(tmp_path: Path) -> None:
    (tmp_path / "site-salt").write_text("salt\n")
    said = refusal("--port=0", CHATSITE_STATE_DIRECTORY=str(tmp_path))
    assert said == f"{tmp_path}/site-salt: expected 32 hexadecimal digits"


# http and https


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.0.0.2", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("localhost", True),
        ("LocalHost.", True),
        ("chat.localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - the subject
        ("::", False),
        ("192.0.2.1", False),
        ("128.0.0.1", False),
        ("chat.example", False),
        ("localhost.example", False),
        ("notlocalhost", False),
        (NOT_LOCALHOST, False),
    ],
)
def test_what_browsers_take_for_secure_without_tls(host: str, *, loopback: bool) -> None:
    assert serving.is_loopback(host) is loopback


def test_the_address_that_is_printed_can_be_opened() -> None:
    assert serving._host_to_open("127.0.0.1") == "127.0.0.1"
    assert serving._host_to_open("::1") == "[::1]"
    assert serving._host_to_open("chat.example") == "chat.example"
    assert serving._host_to_open("0.0.0.0") == serving._host_to_open("::") == socket.gethostname()  # noqa: S104


def site(served: Served) -> bytes:
    """What the printed address answers to a plain http request."""
    assert served.url.startswith("http://")
    connection = http.client.HTTPConnection(served.url.removeprefix("http://"))
    try:
        connection.request("GET", "/site.json")
        return connection.getresponse().read()
    finally:
        connection.close()


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.0.0.2", "localhost"])
def test_on_a_loopback_address_it_serves_http(ip: str) -> None:
    with serve(ip=ip) as served:
        assert served.announced == f"Chatsite is open: http://{ip}:{served.port}/\nStop it with Ctrl-C.\n"
        assert b'"salt"' in site(served)


def fingerprint_served(served: Served) -> str:
    """SHA-256 of the certificate that a browser would be shown."""
    pem = ssl.get_server_certificate(("127.0.0.1", served.port))
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).digest()
    return ":".join(f"{byte:02X}" for byte in digest)


def test_elsewhere_it_serves_https_with_a_certificate_that_it_makes_and_keeps(tmp_path: Path) -> None:
    with serve(ip=NOT_LOCALHOST, state=tmp_path) as served:
        first = fingerprint_served(served)
        assert served.announced.splitlines() == [
            f"Chatsite is open: https://{NOT_LOCALHOST}:{served.port}/",
            f"Its certificate is self-made; browsers ask once. SHA-256 {first}",
            "Stop it with Ctrl-C.",
        ]
        # Who trusts this certificate gets a line that is secure for this name.
        context = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))
        with (
            socket.create_connection(("127.0.0.1", served.port)) as line,
            context.wrap_socket(line, server_hostname=NOT_LOCALHOST) as secured,
        ):
            assert secured.version() in {"TLSv1.2", "TLSv1.3"}
        assert served.stop() == 0
    with serve(ip=NOT_LOCALHOST, state=tmp_path) as again:
        assert fingerprint_served(again) == first
        assert first in again.announced
    assert sorted(path.name for path in tmp_path.iterdir()) == ["certificate.pem", "site-salt"]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_people_talk_over_https() -> None:
    async def scene(url: str) -> None:
        async with talking(url, Room.from_secret(os.urandom(32)), "Steve", "Ann") as (steve, ann):
            await steve.say("Hello")
            await ann.hears("get_message")
            assert ann.texts == ["Hello"]

    with serve(ip=NOT_LOCALHOST) as served:
        asyncio.run(scene(f"https://127.0.0.1:{served.port}"))
        assert served.stop() == 0
    assert served.stderr == ""


def test_a_configured_certificate_is_the_one_that_is_served(tmp_path: Path) -> None:
    pem = tmp_path / "own.pem"
    pem.write_text(state._make("chat.example"))
    for ip in ("127.0.0.1", NOT_LOCALHOST):
        with serve(ip=ip, tls_certificate=str(pem), tls_key=str(pem)) as served:
            assert served.url.startswith("https:")
            assert "self-made" not in served.announced
            assert ssl.get_server_certificate(("127.0.0.1", served.port)) in pem.read_text()


def test_behind_a_proxy_it_serves_http_on_any_address(tmp_path: Path) -> None:
    with serve(ip=NOT_LOCALHOST, state=tmp_path, behind_proxy=True) as served:
        assert served.announced.startswith(f"Chatsite listens for its proxy: http://{NOT_LOCALHOST}:{served.port}/\n")
        assert b'"salt"' in site(served)
    assert [path.name for path in tmp_path.iterdir()] == ["site-salt"]


# Stopping


def test_the_site_stays_itself_over_a_restart(tmp_path: Path) -> None:
    answers = set()
    for _ in range(2):
        with serve(state=tmp_path) as served:
            answers.add(site(served))
    assert len(answers) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_at_once_with_people_inside_and_tells_them(number: signal.Signals) -> None:
    async def scene(served: Served) -> float:
        async with talking(served.url, Room.from_secret(os.urandom(32)), "Steve", "Ann") as (steve, ann):
            # A client that never got beyond the TCP handshake, and one in the middle of a request.
            with _silent(served), _silent(served, b"GET / HTTP/1.1\r\n"):
                began = time.monotonic()
                status = await asyncio.to_thread(served.stop, number)
                assert status == 0
                for client in (steve, ann):
                    assert await client.hears("disconnect") != "io server disconnect", "it would not come back"
                    assert not client.all("user_left")
            return time.monotonic() - began

    with serve() as served:
        assert asyncio.run(scene(served)) < 5
    assert served.stderr == ""
    assert served.stdout == served.announced


def test_joins_that_are_under_way_when_it_stops_leave_no_complaint() -> None:
    async def scene(served: Served) -> None:
        room = Room.from_secret(os.urandom(32))
        clients = [Client(served.url) for _ in range(20)]
        for client in clients:
            await client.connect()
        joins = [asyncio.create_task(client.join(room, "Steve")) for client in clients]
        await clients[0].hears("connected")
        assert await asyncio.to_thread(served.stop) == 0
        for join in joins:
            join.cancel()
        await asyncio.gather(*joins, return_exceptions=True)
        for client in clients:
            await client.close()

    with serve() as served:
        asyncio.run(scene(served))
    assert served.stderr == ""


def test_events_that_are_under_way_when_it_stops_leave_no_complaint() -> None:
    async def scene(served: Served) -> None:
        lines = [await RawWebSocket.open(served.port) for _ in range(20)]
        sent = asyncio.Event()

        async def talk(line: RawWebSocket) -> None:
            line.send("40", *['421["get_public_key"]'] * 20)
            while await line.receive() is not None:
                line.send('421["get_public_key"]')
                sent.set()

        tasks = [asyncio.create_task(talk(line)) for line in lines]
        await sent.wait()
        assert await asyncio.to_thread(served.stop) == 0
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for line in lines:
            line.writer.transport.abort()
        await asyncio.sleep(0)  # a socket is closed with the next turn

    with serve() as served:
        asyncio.run(scene(served))
    assert served.stderr == ""


def _silent(served: Served, begun: bytes = b"") -> socket.socket:
    line = socket.create_connection(("127.0.0.1", served.port))
    line.sendall(begun)
    return line


# What it leaves behind


def test_nothing_is_written_but_the_state_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = {name: tmp_path / name for name in ("HOME", "TMPDIR", "working-directory")}
    for name, path in folders.items():
        path.mkdir()
        monkeypatch.setenv(name, str(path))
    for variable in ("XDG_STATE_HOME", "STATE_DIRECTORY"):
        monkeypatch.delenv(variable, raising=False)

    async def scene(url: str) -> None:
        async with talking(url, Room.from_secret(os.urandom(32)), "Steve", "Ann") as (steve, ann):
            await steve.say("Hello")
            await ann.hears("get_message")
            ann.crash()
        async with Client(url) as stranger:
            assert await stranger.ask("join-room", {"envelope": "", "body": ""}) == {"error": "bad-envelope"}

    with serve(state=folders["working-directory"], state_directory="") as served:
        asyncio.run(scene(served.url))
        assert served.stop() == 0
    salt = folders["HOME"] / ".local" / "state" / "chatsite" / "site-salt"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [salt]
    assert (salt.parent.stat().st_mode & 0o777, salt.stat().st_mode & 0o777) == (0o700, 0o600)
