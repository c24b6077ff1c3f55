"""URLs of Redis: several hosts, who connects and the password, sentinels, sockets, and what is refused without being
repeated."""

import contextlib
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from redis.asyncio.connection import SSLConnection, UnixDomainSocketConnection

from rooms.redis_topology import Topology
from rooms.redis_url import Source
from tests.properties import quick


def test_several_hosts_share_all_that_is_said_once() -> None:
    source = Source.read("rediss://ann:se%40cret%2F@one,two:7,[::1]:8,[fe80::2]/3?ssl_ca_certs=%2Fca%20pem")
    assert source.hosts == (("one", 6379), ("two", 7), ("::1", 8), ("fe80::2", 6379))
    assert source.master == ""
    assert {key: source.options[key] for key in ("username", "password", "db", "connection_class")} == {
        "username": "ann",
        "password": "se@cret/",
        "db": 3,
        "connection_class": SSLConnection,
    }
    assert source.options["ssl_ca_certs"] == "/ca pem"


def test_a_path_that_is_no_number_is_the_name_of_the_sentinels_master() -> None:
    source = Source.read("redis://one,two:7/my%20main?db=2")
    assert (source.hosts, source.master) == ((("one", 26379), ("two", 7)), "my main")
    assert source.options["db"] == 2
    assert [connection.db for connection in source.candidates()] == [0, 0], "sentinels have one only"


def test_sentinels_are_asked_with_the_password_and_without() -> None:
    source = Source.read("redis://ann:secret@one/main")
    assert [(each.username, each.password) for each in source.candidates()] == [("ann", "secret"), (None, None)]
    assert [each.password for each in Source.read("redis://:secret@one/0").candidates()] == ["secret"]


def test_a_unix_socket_has_no_hosts() -> None:
    source = Source.read("unix://ann:secret@/run/redis/a%20b.sock?db=1")
    assert (source.hosts, source.master) == ((), "")
    connection = source.connection(None)
    assert isinstance(connection, UnixDomainSocketConnection)
    assert (connection.path, connection.db, connection.username) == ("/run/redis/a b.sock", 1, "ann")


@pytest.mark.parametrize("url", ["redis://", "redis:///", "redis:///0"])
def test_without_a_host_it_is_this_machine(url: str) -> None:
    assert Source.read(url).hosts == (("localhost", 6379),)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "memory",
        "http://secret.test",
        "redis://:secret",
        "redis://ann:secret/x@host",
        "redis://host:secret",
        "redis://host:99999",
        "redis://[::1",
        "redis://one,two:secret",
        "redis://host/0/secret",
        "redis://host?db=secret",
        "redis://host?secret=1",
        "redis://host?max_connections=3",
        "redis://host?ssl_ca_certs=secret",
        "rediss://host?ssl_cert_reqs=secret",
        "redis://host?parser_class=secret",
    ],
)
def test_a_bad_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"^no URL of a Redis$") as caught:
        Topology(url, lambda channel, data: None, lambda channel: None)
    assert caught.value.__suppress_context__, "nor is it in a traceback"


odd = st.text(st.sampled_from("aé1:/@[],?#&=%25 .-\n\x00"), max_size=12)


@quick
@given(st.tuples(st.sampled_from(["redis", "rediss", "unix", "http", ""]), odd, odd))
@example(("redis", "[", ""))
@example(("redis", "é\ud800", ""))
def test_whatever_is_written_is_a_source_or_a_value_error(parts: tuple[str, str, str]) -> None:
    scheme, hosts, rest = parts
    with contextlib.suppress(ValueError):
        assert list(Source.read(f"{scheme}://{hosts}/{rest}").candidates())


@quick
@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20), st.lists(st.integers(1, 65535), min_size=1))
def test_names_and_passwords_of_all_characters_arrive(user: str, password: str, ports: list[int]) -> None:
    own = f"{quote(user, safe='', errors='surrogatepass')}:{quote(password, safe='', errors='surrogatepass')}"
    source = Source.read(f"redis://{own}@{','.join(f'host{port}:{port}' for port in ports)}/0")
    assert (source.options["username"], source.options["password"]) == (user, password)
    assert source.hosts == tuple((f"host{port}", port) for port in ports)
