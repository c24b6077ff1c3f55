"""Where a request comes from, in a form that limits can be kept by and nobody can read; believes proxies, and no other.

What a client writes into X-Forwarded-For stands in front of what proxies add: it is read from the end, and only as far
as those who wrote it are proxies of the operator's.
"""

import hashlib
import ipaddress
import secrets
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address

from tornado.httputil import HTTPServerRequest

KEY_BYTES = 16
"""Of a key that is made at each start and never leaves the memory of this process, or of the Redis that several nodes
share: without it, four billion addresses are soon tried."""
NETWORK_BITS = 64
"""Whoever has one address of IPv6 has a whole network of so many bits."""


class Addresses:
    """`proxies`: addresses and networks of reverse proxies, none where there is no proxy. `key`: that of several nodes
    which count together."""

    def __init__(self, proxies: Collection[str], key: bytes | None = None) -> None:
        self._proxies = [ipaddress.ip_network(proxy) for proxy in proxies]
        self._key = key or secrets.token_bytes(KEY_BYTES)

    def of(self, request: HTTPServerRequest) -> bytes:
        """The same for all requests from one address, or one network of IPv6; 16 bytes that mean nothing elsewhere."""
        return self.hashed(self._client(request))

    def of_peer(self, peer: str) -> bytes | None:
        """The same for the other end of a connection; None where that is a proxy, which may have many."""
        address = _parsed(peer)
        return None if self._is_proxy(address) else self.hashed(address)

    def by_https(self, request: HTTPServerRequest) -> bool:
        """Whether the client, or the proxy that it talks to, has asked by https."""
        forwarded = request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip().lower()
        proxied = forwarded == "https" and self._is_proxy(_parsed(request.remote_ip or ""))
        return proxied or request.protocol == "https"

    def hashed(self, address: IPv4Address | IPv6Address | None) -> bytes:
        """Without a key nobody can say whose it is. None: no address that could be told from others."""
        network = b"" if address is None else address.packed
        if len(network) > 4:
            network = network[: NETWORK_BITS // 8]
        return hashlib.blake2b(network, digest_size=16, key=self._key).digest()

    def _client(self, request: HTTPServerRequest) -> IPv4Address | IPv6Address | None:
        nearest = _parsed(request.remote_ip or "")
        said = request.headers.get("X-Forwarded-For", "").split(",")
        while said and self._is_proxy(nearest):
            before = _parsed(said.pop())
            if before is None:
                break
            nearest = before
        return nearest

    def _is_proxy(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._proxies)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """An address, also with a port behind it, as some proxies write it."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
