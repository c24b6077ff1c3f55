"""What survives a restart: the site salt and a self-made certificate, in one folder; nothing about rooms or people."""

import datetime
import ipaddress
import os
import secrets
import socket
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SALT_BYTES = 16
SALT_FILE = "site-salt"
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2; those of 1.3 are all like these: a fresh key for each connection, and authenticated encryption."""
CERTIFICATE_FILE = "certificate.pem"
"""The self-made certificate and its key in one file: so they can never belong to two different pairs."""

VALID_DAYS = 397
"""The longest that all browsers accept."""
RENEW_DAYS = 30


class StateError(Exception):
    """One line: which file, and what is wrong with it."""


def default_directory(environment: "os._Environ[str] | dict[str, str]") -> Path:
    """systemd's StateDirectory=, else the user's own place for state (XDG base directory specification)."""
    given = environment.get("STATE_DIRECTORY")
    if given:
        return Path(given.split(":")[0])
    home = environment.get("XDG_STATE_HOME")
    try:
        return (Path(home) if home else Path.home() / ".local" / "state") / "chatsite"
    except RuntimeError as error:
        raise StateError("state_directory = '': this user has no home; expected the path of a folder") from error


def open_directory(path: Path) -> Path:
    """The folder, made for its owner alone if it is not there."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(
            f"state_directory = {str(path)!r}: cannot be made ({error.strerror}); expected a folder to write in"
        ) from error
    return path


def site_salt(directory: Path, made: bytes | None = None) -> bytes:
    """The salt of this site, 16 bytes; at the first start `made`, or a new one: another salt would be another site."""
    path = directory / SALT_FILE
    try:
        if not path.exists():
            _write_once(path, (made or secrets.token_bytes(SALT_BYTES)).hex() + "\n")
        salt = bytes.fromhex(path.read_text("ascii"))
    except OSError as error:
        raise StateError(
            f"state_directory = {str(directory)!r}: {SALT_FILE} can be neither read nor made ({error.strerror}); "
            "expected a folder to write in"
        ) from error
    except ValueError as error:
        raise StateError(f"{path}: expected {2 * SALT_BYTES} hexadecimal digits") from error
    if len(salt) != SALT_BYTES:
        raise StateError(f"{path}: expected {2 * SALT_BYTES} hexadecimal digits")
    return salt


def has_salt(directory: Path) -> bool:
    """Whether there was a start before."""
    return (directory / SALT_FILE).exists()


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate ready to serve. `fingerprint`: SHA-256 of its DER, as browsers show it; `made`: by ourselves."""

    context: ssl.SSLContext
    fingerprint: str
    made: bool


def given_certificate(certificate: Path, key: Path) -> Certificate:
    """The operator's own. Raises StateError."""
    for setting, path in (("tls_certificate", certificate), ("tls_key", key)):
        if not os.access(path, os.R_OK):
            raise StateError(f"{setting} = {str(path)!r}: cannot be read; expected a PEM file")
    try:
        return _load(certificate, key, made=False)
    except (OSError, ValueError) as error:
        raise StateError(
            f"tls_certificate = {str(certificate)!r}, tls_key = {str(key)!r}: expected a certificate and its own key, "
            "PEM, without a password"
        ) from error


def own_certificate(directory: Path, host: str) -> Certificate:
    """A self-signed certificate for `host`, kept with mode 0600, made anew when it is for another host or old."""
    path = directory / CERTIFICATE_FILE
    kept = _kept(path, host)
    if kept is not None:
        return kept
    try:
        (_replace if path.exists() else _write_once)(path, _make(host))  # nodes that start together take the same
        return _load(path, path, made=True)
    except OSError as error:
        raise StateError(
            f"state_directory = {str(directory)!r}: {CERTIFICATE_FILE} cannot be made ({error.strerror}); "
            "expected a folder to write in"
        ) from error


def _kept(path: Path, host: str) -> Certificate | None:
    """What an earlier start has made, if it serves this host for some time to come."""
    try:
        kept = _load(path, path, made=True)
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return None
    renew = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=RENEW_DAYS)
    return kept if certificate.not_valid_after_utc > renew and set(names) == set(_names(host)) else None


def _load(certificate: Path, key: Path, *, made: bool) -> Certificate:
    """Raises OSError and ValueError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    # An empty password makes a protected key an error; without one, OpenSSL would ask at the terminal and wait.
    context.load_cert_chain(certificate, key, password="")
    digest = x509.load_pem_x509_certificate(certificate.read_bytes()).fingerprint(hashes.SHA256())
    return Certificate(context, ":".join(f"{byte:02X}" for byte in digest), made)


def _names(host: str) -> list[x509.GeneralName]:
    """What a browser may call this server: where it listens everywhere, this machine's own names too."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return [x509.DNSName(host)]
    if not address.is_unspecified:
        return [x509.IPAddress(address)]
    own = {info[4][0] for info in _own_addresses()}
    names: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.DNSName(socket.gethostname())]
    return names + [x509.IPAddress(ipaddress.ip_address(each)) for each in sorted({"127.0.0.1", "::1", *own})]


def _own_addresses() -> list[tuple[object, object, object, object, tuple[str, ...]]]:
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [(*info[:4], tuple(str(part).split("%")[0] for part in info[4])) for info in found]


def _make(host: str) -> str:
    """A new certificate and its key, PEM. Source: RFC 5280; the CA/Browser Forum's limits that browsers enforce."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Chatsite")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(_names(host)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return (certificate.public_bytes(serialization.Encoding.PEM) + private).decode()


def _temporary(path: Path, text: str) -> Path:
    """A complete file beside `path`, mode 0600: nobody ever sees half of it."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    return Path(name)


def _write_once(path: Path, text: str) -> None:
    """Whoever comes first wins, so that two processes that start together share one site."""
    temporary = _temporary(path, text)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


def _replace(path: Path, text: str) -> None:
    _temporary(path, text).replace(path)
