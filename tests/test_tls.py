"""What is spoken on the port for https: modern TLS, and the way to it for who comes by http; and who is told to come by
https only."""

import http.client
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

import state
from tests.serving import Served, serve

NOT_LOCALHOST = "0.0.0.0"  # noqa: S104 - what is no loopback address, and is there on every machine
HSTS = "strict-transport-security"


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = Path(tmp_path_factory.mktemp("given")) / "own.pem"
    path.write_text(state._make("localhost"))
    return str(path)


@pytest.fixture(scope="module")
def vouched(pem: str) -> Iterator[Served]:
    """With a certificate of the operator's."""
    with serve(tls_certificate=pem, tls_key=pem) as served:
        yield served
        assert served.stop() == 0
    assert served.stderr == ""


def client(pem: str | None, **changes: object) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=pem) if pem else ssl._create_unverified_context()  # noqa: S323
    for name, value in changes.items():
        setattr(context, name, value)
    return context


def asked(
    served: Served, path: str = "/healthz", *, context: ssl.SSLContext | None = None, **headers: str
) -> tuple[http.client.HTTPResponse, ssl.SSLSocket | None]:
    """The answer, and the line by TLS that it came over; by http without a context."""
    port = served.port
    line = http.client.HTTPSConnection("localhost", port, context=context) if context else None
    connection = line or http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        secure = connection.sock if isinstance(connection.sock, ssl.SSLSocket) else None
        answer.read()
        return answer, secure
    finally:
        connection.close()


def cipher(served: Served, context: ssl.SSLContext) -> tuple[str, str | None, str | None]:
    """What is agreed on: the cipher, the protocol, and what goes over it."""
    connection = http.client.HTTPSConnection("localhost", served.port, context=context)
    try:
        connection.connect()
        assert isinstance(connection.sock, ssl.SSLSocket)
        agreed = connection.sock.cipher()
        assert agreed is not None
        return agreed[0], connection.sock.version(), connection.sock.selected_alpn_protocol()
    finally:
        connection.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_keys_are_fresh_and_encryption_is_authenticated(vouched: Served, pem: str, version: ssl.TLSVersion) -> None:
    context = client(pem, minimum_version=version, maximum_version=version)
    context.set_alpn_protocols(["h2", "http/1.1"])
    name, _, protocol = cipher(vouched, context)
    assert "GCM" in name or "CHACHA20" in name
    assert name.startswith(("ECDHE-", "TLS_"))
    assert protocol == "http/1.1"


@pytest.mark.parametrize("ciphers", ["AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-SHA", "ECDHE-RSA-AES128-SHA256"])
def test_weaker_ones_are_refused(vouched: Served, ciphers: str) -> None:
    context = client(None, maximum_version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        cipher(vouched, context)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
def test_older_tls_is_refused(vouched: Served) -> None:
    context = client(None, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        cipher(vouched, context)


def test_who_comes_by_http_is_sent_to_the_same_address_by_https(vouched: Served) -> None:
    answer, _ = asked(vouched, "/room?x=1", Host=f"chat.example:{vouched.port}")
    assert (answer.status, answer.headers["Location"]) == (308, f"https://chat.example:{vouched.port}/room?x=1")
    assert answer.headers["Connection"] == "close"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert HSTS not in answer.headers  # by http it would mean nothing


def test_with_a_certificate_of_the_operators_browsers_are_to_come_by_https_only(vouched: Served, pem: str) -> None:
    for path in ("/", "/room", "/healthz", "/site.json", "/nowhere", "/socket.io/?EIO=4&transport=polling"):
        answer, secure = asked(vouched, path, context=client(pem))
        assert secure is not None
        assert answer.headers[HSTS] == "max-age=63072000", path


def test_with_a_self_made_one_they_are_not_since_it_changes() -> None:
    with serve(ip=NOT_LOCALHOST) as served:
        answer, _ = asked(served, context=client(None))
        assert answer.status == 200
        assert HSTS not in answer.headers


def test_behind_a_proxy_they_are_if_the_proxy_has_been_asked_by_https() -> None:
    with serve(behind_proxy=True) as served:
        assert HSTS in asked(served, X_Forwarded_Proto="https")[0].headers
        assert HSTS not in asked(served, X_Forwarded_Proto="http")[0].headers
        assert HSTS not in asked(served)[0].headers
    with serve(behind_proxy=True, proxies="10.0.0.0/8") as served:
        assert HSTS not in asked(served, X_Forwarded_Proto="https")[0].headers
