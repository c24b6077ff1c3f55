"""The state directory: what is made in it, how it is kept and renewed, and that whatever is wrong with it is one
line."""

import datetime
import hashlib
import ipaddress
import socket
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

import state
from state import StateError

READ_ONLY = Path("/proc/self")
"""A folder that is there and in which nobody, not even root, can make a file."""


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def names(path: Path) -> set[str]:
    found = certificate(path).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in found}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# The folder


def test_the_folder_is_systemds_or_the_users_own() -> None:
    assert state.default_directory({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "HOME": "/x"}) == Path("/var/lib/a")
    assert state.default_directory({"XDG_STATE_HOME": "/x/state"}) == Path("/x/state/chatsite")
    assert state.default_directory({}) == Path.home() / ".local" / "state" / "chatsite"


def test_a_user_without_a_home_is_asked_for_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(StateError, match=r"^state_directory = '': .*; expected the path of a folder$"):
        state.default_directory({})


def test_the_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    made = state.open_directory(tmp_path / "a" / "b")
    assert made == tmp_path / "a" / "b"
    assert mode(made) == 0o700
    assert state.open_directory(made) == made


@pytest.mark.parametrize("below", [False, True])
def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path, *, below: bool) -> None:
    file = tmp_path / "file"
    file.write_text("")
    path = file / "folder" if below else file
    with pytest.raises(StateError, match=rf"^state_directory = '{path}': cannot be made \(.+\); expected a folder"):
        state.open_directory(path)


# The salt


def test_the_salt_is_made_once_and_kept(tmp_path: Path) -> None:
    salt = state.site_salt(tmp_path)
    assert len(salt) == 16
    assert state.site_salt(tmp_path) == salt
    assert mode(tmp_path / "site-salt") == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["site-salt"]


def test_two_sites_have_two_salts(tmp_path: Path) -> None:
    folders = [state.open_directory(tmp_path / name) for name in "ab"]
    assert state.site_salt(folders[0]) != state.site_salt(folders[1])


def test_of_two_that_start_together_both_get_the_salt_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "site-salt"
    state._write_once(path, "00" * 16)
    state._write_once(path, "11" * 16)
    assert state.site_salt(tmp_path) == bytes(16)
    assert [each.name for each in tmp_path.iterdir()] == ["site-salt"]


@pytest.mark.parametrize("content", [b"", b"00", b"00" * 15, b"00" * 17, b"zz" * 16, b"0" * 31, b"\xff" * 16])
def test_a_bad_salt_is_never_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "site-salt"
    path.write_bytes(content)
    with pytest.raises(StateError, match=rf"^{path}: expected 32 hexadecimal digits$"):
        state.site_salt(tmp_path)
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(
        StateError, match=r"^state_directory = '/proc/self': site-salt .+; expected a folder to write in$"
    ):
        state.site_salt(READ_ONLY)


def test_a_salt_that_is_there_needs_no_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    salt = state.site_salt(tmp_path)
    monkeypatch.setattr(state, "_temporary", lambda path, text: pytest.fail("something was written"))
    assert state.site_salt(tmp_path) == salt


# The self-made certificate


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.0.2.7", x509.IPAddress(ipaddress.ip_address("192.0.2.7"))),
        ("2001:db8::7", x509.IPAddress(ipaddress.ip_address("2001:db8::7"))),
        ("chat.test", x509.DNSName("chat.test")),
    ],
)
def test_a_certificate_is_made_for_exactly_the_host(tmp_path: Path, host: str, expected: x509.GeneralName) -> None:
    made = state.own_certificate(tmp_path, host)
    path = tmp_path / "certificate.pem"
    got = certificate(path)
    assert list(got.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == [expected]
    assert got.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(
        ca=False, path_length=None
    )
    assert got.not_valid_after_utc - got.not_valid_before_utc <= datetime.timedelta(days=398)
    assert mode(path) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["certificate.pem"]
    assert made.made
    der = ssl.PEM_cert_to_DER_cert(got.public_bytes(serialization.Encoding.PEM).decode())
    assert made.fingerprint == ":".join(f"{byte:02X}" for byte in hashlib.sha256(der).digest())


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104 - the subject
def test_who_listens_everywhere_is_called_by_all_the_machines_names(tmp_path: Path, host: str) -> None:
    state.own_certificate(tmp_path, host)
    assert {"localhost", socket.gethostname(), "127.0.0.1", "::1"} <= names(tmp_path / "certificate.pem")
    assert host not in names(tmp_path / "certificate.pem")


def test_the_certificate_is_kept_while_it_serves(tmp_path: Path) -> None:
    first = state.own_certificate(tmp_path, "chat.test")
    assert state.own_certificate(tmp_path, "chat.test").fingerprint == first.fingerprint


def test_another_host_needs_another_certificate(tmp_path: Path) -> None:
    first = state.own_certificate(tmp_path, "chat.test")
    second = state.own_certificate(tmp_path, "192.0.2.7")
    assert second.fingerprint != first.fingerprint
    assert names(tmp_path / "certificate.pem") == {"192.0.2.7"}


def test_an_old_certificate_is_renewed_thirty_days_before_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "VALID_DAYS", 31)
    fresh = state.own_certificate(tmp_path, "chat.test")
    assert state.own_certificate(tmp_path, "chat.test").fingerprint == fresh.fingerprint
    monkeypatch.setattr(state, "RENEW_DAYS", 32)
    monkeypatch.setattr(state, "VALID_DAYS", 90)
    assert state.own_certificate(tmp_path, "chat.test").fingerprint != fresh.fingerprint


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_broken_certificate_is_made_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "certificate.pem").write_bytes(content)
    state.own_certificate(tmp_path, "chat.test")
    assert names(tmp_path / "certificate.pem") == {"chat.test"}
    assert mode(tmp_path / "certificate.pem") == 0o600


def test_a_certificate_that_lost_its_key_is_made_anew(tmp_path: Path) -> None:
    first = state.own_certificate(tmp_path, "chat.test")
    path = tmp_path / "certificate.pem"
    path.write_bytes(certificate(path).public_bytes(serialization.Encoding.PEM))
    assert state.own_certificate(tmp_path, "chat.test").fingerprint != first.fingerprint


def test_a_certificate_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(
        StateError, match=r"^state_directory = '/proc/self': certificate.pem .+; expected a folder to write"
    ):
        state.own_certificate(READ_ONLY, "chat.test")


# The operator's certificate


@pytest.fixture(name="pair")
def _pair(tmp_path: Path) -> tuple[Path, Path]:
    """The files of a certificate and its key, as an operator has them."""
    return split(tmp_path, "chat.test")


def split(folder: Path, host: str) -> tuple[Path, Path]:
    made = state._make(host)
    paths = folder / f"{host}-certificate.pem", folder / f"{host}-key.pem"
    cut = made.index("-----BEGIN PRIVATE KEY")
    paths[0].write_text(made[:cut])
    paths[1].write_text(made[cut:])
    return paths


def test_a_given_certificate_is_taken_as_it_is(pair: tuple[Path, Path]) -> None:
    given = state.given_certificate(*pair)
    assert not given.made
    assert given.context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_missing_file_is_named_with_its_setting(pair: tuple[Path, Path], tmp_path: Path) -> None:
    missing = tmp_path / "none.pem"
    with pytest.raises(StateError, match=rf"^tls_certificate = '{missing}': cannot be read; expected a PEM file$"):
        state.given_certificate(missing, pair[1])
    with pytest.raises(StateError, match=rf"^tls_key = '{missing}': cannot be read; expected a PEM file$"):
        state.given_certificate(pair[0], missing)


def test_files_that_do_not_belong_together_are_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    other = split(tmp_path, "other.test")
    garbage = tmp_path / "garbage.pem"
    garbage.write_bytes(bytes(range(256)))
    for files in [
        (pair[0], other[1]),
        (pair[1], pair[0]),
        (garbage, pair[1]),
        (pair[0], garbage),
        (tmp_path, tmp_path),
    ]:
        with pytest.raises(StateError, match="expected a certificate and its own key, PEM, without a password"):
            state.given_certificate(*files)


def test_a_key_with_a_password_is_refused_and_not_asked_for(pair: tuple[Path, Path]) -> None:
    locked = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    )
    pair[1].write_bytes(locked)
    with pytest.raises(StateError, match="without a password"):
        state.given_certificate(*pair)
