"""Settings: where they come from, what is refused and in which words, and that the file and the page about them tell
the truth."""

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import settings
from settings import Rule, Settings, SettingsError
from tests.properties import quick

HOUSE = Path(__file__).resolve().parent.parent
CONFIG = HOUSE / "config" / "chatsite.toml"
PAGE = HOUSE / "docs" / "configuration.md"


def refusal(path: Path | None = None, environment: Mapping[str, str] = {}, flags: Mapping[str, str] = {}) -> str:
    """The one line with which these settings are refused."""
    with pytest.raises(SettingsError) as caught:
        settings.load(path, environment, flags)
    line = str(caught.value)
    assert len(line.splitlines()) == 1
    return line


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    return tmp_path / "chat.toml"


def test_nothing_given_means_the_defaults() -> None:
    assert settings.load(None, {}, {}) == Settings()


def test_flags_win_over_the_environment_and_that_over_the_file(file: Path) -> None:
    file.write_text('ip = "10.0.0.1"\nport = 1000\nlog_size = 10\n')
    environment = {"CHATSITE_IP": "10.0.0.2", "CHATSITE_PORT": "2000", "HOME": "/", "CHATSITE_CONFIG": "ignored"}
    loaded = settings.load(file, environment, {"port": "3000"})
    assert loaded == Settings(ip="10.0.0.2", port=3000, log_size=10)


def test_a_value_that_is_overridden_must_be_good_all_the_same(file: Path) -> None:
    file.write_text("port = 70000")
    refusal(file, {"CHATSITE_PORT": "80"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("prot = 5000", "prot = 5000: unknown key; expected one of ip, port, "),
        ("[server]\nport = 1", "server = {'port': 1}: unknown key"),
        ('port = "5000"', "port = '5000': expected a whole number from 0 to 65535"),
        ("port = 5000.0", "port = 5000.0: expected a whole number from 0 to 65535"),
        ("port = true", "port = True: expected a whole number"),
        ("port = 65536", "port = 65536: expected a whole number from 0 to 65535"),
        ("port = -1", "port = -1: expected a whole number from 0 to 65535"),
        ("log_size = 1001", "log_size = 1001: expected a whole number from 0 to 1000"),
        ("ping_interval = 0", "ping_interval = 0: expected a number of seconds from 0.1 to 3600"),
        ("grace_time = nan", "grace_time = nan: expected a number of seconds from 0 to 3600"),
        ("message_ttl = -1", "message_ttl = -1: expected a number of seconds from 0 to 31536000"),
        ("grace_time = inf", "grace_time = inf: expected a number of seconds"),
        (
            "events_per_room = 5",
            "events_per_room = 5: expected a list of two numbers: above 0 a second, 1 or more at once",
        ),
        ('log_format = "xml"', "log_format = 'xml': expected one of text, json"),
        ('log_level = "DEBUG"', "log_level = 'DEBUG': expected one of warning, debug, info, error"),
        ("events_per_room = [1]", "events_per_room = [1]: expected a list of two numbers"),
        ("events_per_room = [0, 1]", "events_per_room = [0, 1]: expected a list of two numbers"),
        ("events_per_room = [1, nan]", "events_per_room = [1, nan]: expected a list of two numbers"),
        ('events_per_room = ["1", "2"]', "events_per_room = ['1', '2']: expected a list of two numbers"),
        ("bytes_per_room = [1, 65536]", "bytes_per_room = [1, 65536]: expected a list of two numbers"),
        ('proxies = ["proxy.example"]', "proxies = ['proxy.example']: expected a list of IP addresses or networks"),
        ('proxies = ["10.0.0.1/8"]', "proxies = ['10.0.0.1/8']: expected a list of IP addresses or networks"),
        ("behind_proxy = 1", "behind_proxy = 1: expected true or false"),
        ('behind_proxy = "true"', "behind_proxy = 'true': expected true or false"),
        ('ip = ""', "ip = '': expected an IP address or a host name"),
        ('ip = "http://localhost"', "ip = 'http://localhost': expected an IP address or a host name"),
        ('ip = "a b"', "ip = 'a b': expected"),
        ('ip = "chat.example\\n"', r"ip = 'chat.example\n': expected"),
        ("ip = 127", "ip = 127: expected an IP address"),
        ('allowed_origins = "https://chat.example"', "expected a list of origins such as https://chat.example"),
        ('allowed_origins = ["https://chat.example/"]', "allowed_origins = ['https://chat.example/']: expected"),
        ('allowed_origins = ["*"]', "allowed_origins = ['*']: expected"),
        ("allowed_origins = [1]", "allowed_origins = [1]: expected"),
        ('filter_links = ["://", ""]', "filter_links = ['://', '']: expected a list of texts, none of them empty"),
        ('filter_punctuation = "!<"', "filter_punctuation = '!<': expected punctuation and symbols"),
        ('filter_punctuation = "!&"', "filter_punctuation = '!&': expected punctuation and symbols"),
        ('filter_punctuation = "a"', "filter_punctuation = 'a': expected punctuation and symbols"),
        ('filter_punctuation = "\\u200b"', r"filter_punctuation = '\u200b': expected punctuation and symbols"),
        ("label_link = 5", "label_link = 5: expected text"),
        ('tls_key = "key.pem"', "tls_certificate = '', tls_key = 'key.pem': expected both or neither"),
        ("port = ", "expected TOML: "),
        ("port = 1\nport = 2", "expected TOML: "),
        ("port = " + "9" * 5000, "expected TOML: "),
        ("port = " + "[" * 5000 + "]" * 5000, "expected TOML: "),
        ("port = 0x" + "f" * 5000, "port = ...: expected a whole number from 0 to 65535"),
        ("a." * 2000 + "b = 1", "a = ...: unknown key; expected one of ip, port, "),
        ('"a\\nb" = 1', "a b = 1: unknown key; expected one of ip, port, "),
    ],
)
def test_the_refusal_of_a_file_names_key_value_and_what_is_expected(file: Path, text: str, expected: str) -> None:
    file.write_text(text)
    assert expected in refusal(file)


def test_the_refusal_names_the_place(file: Path) -> None:
    file.write_text("port = -1")
    assert refusal(file).startswith(f"{file}: port")
    assert refusal(None, {"CHATSITE_PORT": "x"}).startswith("CHATSITE_PORT: port = 'x': expected")
    assert refusal(None, {"CHATSITE_PRT": "1"}).startswith("CHATSITE_PRT: prt = '1': unknown key")
    assert refusal(None, {"CHATSITE_A\nB": "1"}).startswith("CHATSITE_A B: a b = '1': unknown key")
    assert refusal(None, {}, {"port": "x"}).startswith("--port: port = 'x': expected")


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.toml") == f"{tmp_path}/none.toml: cannot be read (No such file or directory)"
    assert refusal(tmp_path) == f"{tmp_path}: cannot be read (Is a directory)"
    (tmp_path / "latin.toml").write_bytes(b'label_link = "\xe9"')
    assert refusal(tmp_path / "latin.toml") == f"{tmp_path}/latin.toml: expected UTF-8 text"


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("CHATSITE_BEHIND_PROXY", "TRUE", True),
        ("CHATSITE_BEHIND_PROXY", "false", False),
        ("CHATSITE_GRACE_TIME", "0.5", 0.5),
        ("CHATSITE_GRACE_TIME", "2", 2),
        ("CHATSITE_EVENTS_PER_ROOM", "0.5, 40", (0.5, 40)),
        ("CHATSITE_PROXIES", "10.0.0.0/8, fd00::1", ("10.0.0.0/8", "fd00::1")),
        ("CHATSITE_ALLOWED_ORIGINS", "https://a.example, http://b:81", ("https://a.example", "http://b:81")),
        ("CHATSITE_ALLOWED_ORIGINS", "", ()),
        ("CHATSITE_FILTER_LINKS", "://,www.", ("://", "www.")),
        ("CHATSITE_LABEL_LINK", "", ""),
        ("CHATSITE_IP", "::1", "::1"),
    ],
)
def test_the_environment_says_it_in_text(variable: str, text: str, value: object) -> None:
    loaded = settings.load(None, {variable: text}, {})
    assert getattr(loaded, variable.removeprefix("CHATSITE_").lower()) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("CHATSITE_BEHIND_PROXY", "1"),
        ("CHATSITE_BEHIND_PROXY", ""),
        ("CHATSITE_PORT", ""),
        ("CHATSITE_PORT", "5e3"),
        ("CHATSITE_PORT", "tcp://10.0.0.1:5000"),
        ("CHATSITE_GRACE_TIME", "nan"),
        ("CHATSITE_GRACE_TIME", "1,5"),
        ("CHATSITE_GRACE_TIME", "9" * 5000),
        ("CHATSITE_", "x"),
    ],
)
def test_what_the_environment_gets_wrong_is_refused(variable: str, text: str) -> None:
    assert variable in refusal(None, {variable: text})


@quick
@given(st.sampled_from(sorted(settings.FIELDS)), st.text(max_size=20))
def test_any_text_is_a_value_of_the_right_type_or_refused_in_one_line(key: str, text: str) -> None:
    refused = ""
    try:
        loaded = settings.load(None, {f"CHATSITE_{key.upper()}": text}, {})
    except SettingsError as error:
        refused = str(error)
        loaded = Settings()
    default = settings.FIELDS[key].default
    assert len(refused.splitlines()) <= 1
    assert isinstance(getattr(loaded, key), int | float if isinstance(default, float) else type(default))


def test_every_default_keeps_its_own_rule() -> None:
    for each in settings.FIELDS.values():
        rule: Rule = each.metadata["rule"]
        assert rule.holds(each.default), each.name


# config/chatsite.toml and docs/configuration.md


def test_the_committed_file_holds_exactly_every_default() -> None:
    written = tomllib.loads(CONFIG.read_text("utf-8"))
    plain = {
        key: list(each) if isinstance(each, tuple) else each for key, each in dataclasses.asdict(Settings()).items()
    }
    assert written == plain
    assert list(written) == list(plain), "in another order"


def test_the_committed_file_has_a_comment_above_every_setting() -> None:
    """Two settings that are one thing may share it, one right below the other."""
    blocks = re.split(r"\n\n", CONFIG.read_text("utf-8").strip())
    with_settings = [block.splitlines() for block in blocks if re.search(r"^\w", block, re.MULTILINE)]
    assert sum(len([line for line in block if line[0] != "#"]) for block in with_settings) == len(settings.FIELDS)
    assert all(block[0].startswith("# ") for block in with_settings)


def test_the_page_has_every_setting_its_variable_and_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.+?) \| (.+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert [row[0] for row in rows] == list(settings.FIELDS)
    for key, variable, default, meaning in rows:
        assert variable == f"{settings.ENVIRONMENT_PREFIX}{key.upper()}"
        assert meaning.endswith(".")
        value = settings.FIELDS[key].default
        if key == "filter_punctuation":
            assert default == "see the file"
        else:
            assert tomllib.loads(f"value = {default.strip('`')}")["value"] == (
                list(value) if isinstance(value, tuple) else value
            )
