"""Whose address counts: proxies are believed, nobody else; and what is kept tells nobody where it comes from."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from handlers.address import Addresses
from tests.properties import quick

PROXIES = ("10.0.0.0/8", "127.0.0.1", "::1", "fd00::/8")


def asked(remote: str, forwarded: str | None = None, *, proto: str = "", https: bool = False) -> HTTPServerRequest:
    headers = HTTPHeaders({"Host": "chat.example"})
    if forwarded is not None:
        headers["X-Forwarded-For"] = forwarded
    if proto:
        headers["X-Forwarded-Proto"] = proto
    request = HTTPServerRequest(headers=headers, start_line=RequestStartLine("GET", "/", "HTTP/1.1"))
    request.remote_ip, request.protocol = remote, "https" if https else "http"
    return request


@pytest.mark.parametrize(
    ("remote", "forwarded", "client"),
    [
        ("192.0.2.1", None, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),  # no proxy: it may say what it likes
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.9.9.9", "198.51.100.7", "198.51.100.7"),
        ("10.9.9.9", "203.0.113.9, 198.51.100.7", "198.51.100.7"),  # the first is the client's own word
        ("10.9.9.9", "203.0.113.9, 198.51.100.7, 10.1.1.1", "198.51.100.7"),  # two proxies
        ("10.9.9.9", "10.1.1.1", "10.1.1.1"),  # somebody at a proxy
        ("10.9.9.9", "", "10.9.9.9"),
        ("10.9.9.9", "unknown", "10.9.9.9"),
        ("10.9.9.9", "203.0.113.9, garbage", "10.9.9.9"),
        ("10.9.9.9", "198.51.100.7:4711", "198.51.100.7"),
        ("::1", "2001:db8::7", "2001:db8::7"),
        ("::1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("::ffff:10.9.9.9", "198.51.100.7", "198.51.100.7"),
        ("192.0.2.1", "", "192.0.2.1"),
    ],
)
def test_proxies_are_believed_and_nobody_else(remote: str, forwarded: str | None, client: str) -> None:
    addresses = Addresses(PROXIES)
    assert addresses.of(asked(remote, forwarded)) == addresses.hashed(ipaddress.ip_address(client))


@quick
@given(st.text(st.characters(codec="latin-1", exclude_categories=["Cc"])))
def test_whatever_a_client_writes_it_is_where_it_is(claimed: str) -> None:
    addresses = Addresses(PROXIES)
    alone = addresses.of(asked("198.51.100.7"))
    assert addresses.of(asked("198.51.100.7", claimed)) == alone
    assert addresses.of(asked("10.9.9.9", f"{claimed}, 198.51.100.7")) == alone


def test_without_a_proxy_nobody_is_believed() -> None:
    addresses = Addresses(())
    assert addresses.of(asked("127.0.0.1", "198.51.100.7")) == addresses.of(asked("127.0.0.1"))
    assert not addresses.by_https(asked("127.0.0.1", proto="https"))


def test_a_network_of_ipv6_is_one_address_and_ipv4_is_the_same_in_both() -> None:
    addresses = Addresses(())
    assert addresses.of(asked("2001:db8::1")) == addresses.of(asked("2001:db8::ffff:1"))
    assert addresses.of(asked("2001:db8::1")) != addresses.of(asked("2001:db8:0:1::1"))
    assert addresses.of(asked("::ffff:192.0.2.1")) == addresses.of(asked("192.0.2.1"))
    assert addresses.of(asked("192.0.2.1")) != addresses.of(asked("192.0.2.2"))


def test_what_is_kept_means_nothing_at_another_start() -> None:
    one, other = Addresses(()), Addresses(())
    assert one.of(asked("192.0.2.1")) == one.of(asked("192.0.2.1"))
    assert one.of(asked("192.0.2.1")) != other.of(asked("192.0.2.1"))
    assert b"192.0.2.1" not in one.of(asked("192.0.2.1"))


def test_the_other_end_of_a_line_counts_unless_it_is_a_proxy() -> None:
    addresses = Addresses(PROXIES)
    assert addresses.of_peer("10.1.2.3") is None
    assert addresses.of_peer("::ffff:127.0.0.1") is None
    assert addresses.of_peer("192.0.2.1") == addresses.of(asked("192.0.2.1"))


@pytest.mark.parametrize(
    ("request_", "secure"),
    [
        (asked("192.0.2.1", https=True), True),
        (asked("192.0.2.1"), False),
        (asked("192.0.2.1", proto="https"), False),
        (asked("10.1.2.3", proto="https"), True),
        (asked("10.1.2.3", proto="http"), False),
        (asked("10.1.2.3", proto="https, http"), False),  # the last is the word of the proxy that we know
        (asked("10.1.2.3", proto="http, HTTPS"), True),
    ],
)
def test_https_is_believed_of_proxies_only(request_: HTTPServerRequest, secure: bool) -> None:
    assert Addresses(PROXIES).by_https(request_) is secure
