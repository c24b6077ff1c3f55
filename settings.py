"""What an operator may change: one table, read from TOML, then the environment, then flags. Changes nothing itself.

docs/configuration.md and config/chatsite.toml are held against this table by tests.
"""

import dataclasses
import ipaddress
import tomllib
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ENVIRONMENT_PREFIX = "CHATSITE_"
NOT_SETTINGS = frozenset({"CHATSITE_CONFIG"})
"""Variables with the prefix that are no settings: the path of the configuration file."""

MEMORY = "memory"
"""The broker of a site that is one process."""

PUNCTUATION = "!?.,:;'\"-()[]{}/\\@#%*+=_~^|$€£¥§°…–—‘’“”«»„‚‹›¡¿·•`、。，！？：；「」『』（）،؛؟۔।॥־׳״՞՜՝։"


class SettingsError(Exception):
    """One line, whatever a key looks like: where, key, value, and what is expected."""

    def __init__(self, line: str) -> None:
        super().__init__(" ".join(line.splitlines()))


MOST = 1e12
LARGEST_EVENT = 100_000
"""More bytes than the largest event of the chat has: with a smaller burst it could never be sent."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a value must be: a test, and the words for what it expects."""

    expected: str
    holds: Callable[[Any], bool]


def _setting(default: Any, expected: str, holds: Callable[[Any], bool] = lambda value: True) -> Any:
    return field(default=default, metadata={"rule": Rule(expected, holds)})


def _secret(default: str, expected: str, holds: Callable[[Any], bool]) -> Any:
    """A text that may hold a password: what was given is never shown."""
    return field(default=default, metadata={"rule": Rule(expected, holds), "secret": True})


def _whole(default: int, low: int, high: int) -> Any:
    return _setting(default, f"a whole number from {low} to {high}", lambda value: low <= value <= high)


def _seconds(default: float, low: float, high: float) -> Any:
    # As a float, for its type is what tells that a fraction may stand here.
    return _setting(
        float(default), f"a number of seconds from {low:g} to {high:.0f}", lambda value: low <= value <= high
    )


def _choice(default: str, *others: str) -> Any:
    words = (default, *others)
    return _setting(default, f"one of {', '.join(words)}", words.__contains__)


def _rate(per_second: float, at_once: float, least: int = 1) -> Any:
    """Two numbers: so many a second, and so many at once."""
    return _setting(
        (float(per_second), float(at_once)),
        f"a list of two numbers: above 0 a second, {least} or more at once",
        lambda value: len(value) == 2 and 0.001 <= value[0] <= MOST and least <= value[1] <= MOST,
    )


def _flow(each: float, all_: float) -> Any:
    """Two numbers: bytes a second to one address, and to all of them."""
    return _setting(
        (float(each), float(all_)),
        "a list of two numbers of bytes a second: to one address, 65536 or more, and to all, no less than that",
        lambda value: len(value) == 2 and 65_536 <= value[0] <= value[1] <= MOST,
    )


def _is_network(value: str) -> bool:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        return False
    return True


def _is_host(value: str) -> bool:
    """An address, or a name of letters, digits, dots and hyphens."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        labels = value.rstrip(".").split(".")
        return len(value) <= 253 and all(
            0 < len(label) <= 63 and label.replace("-", "a").isalnum() and label.isascii() for label in labels
        )
    return True


def _is_punctuation(value: str) -> bool:
    """Nothing that could be markup, that cannot be seen, or that is no punctuation or symbol at all."""
    return all(unicodedata.category(char)[0] in "PS" and char not in "&<>" for char in value)


def _is_broker(value: str) -> bool:
    return value == MEMORY or value.startswith(("redis://", "rediss://", "unix://"))


def _is_origin(value: str) -> bool:
    scheme, _, host = value.partition("://")
    return scheme in {"http", "https"} and bool(host) and not set("/?#@ ") & set(host)


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its default. Times in seconds, sizes in bytes."""

    ip: str = _setting("127.0.0.1", "an IP address or a host name", _is_host)
    port: int = _whole(5000, 0, 65_535)
    behind_proxy: bool = _setting(False, "true or false")
    proxies: tuple[str, ...] = _setting(
        ("127.0.0.0/8", "::1"),
        "a list of IP addresses or networks such as 10.0.0.0/8",
        lambda value: all(map(_is_network, value)),
    )
    allowed_origins: tuple[str, ...] = _setting(
        (), "a list of origins such as https://chat.example", lambda value: all(map(_is_origin, value))
    )
    tls_certificate: str = _setting("", "the path of a PEM file, or nothing")
    tls_key: str = _setting("", "the path of a PEM file, or nothing")
    state_directory: str = _setting("", "the path of a folder, or nothing")

    broker: str = _secret(MEMORY, "memory, or the address of a Redis such as redis://127.0.0.1:6379/0", _is_broker)
    lease_time: float = _seconds(15, 1, 600)
    reuse_port: bool = _setting(False, "true or false")

    metrics_port: int = _whole(0, 0, 65_535)
    log_format: str = _choice("text", "json")
    log_level: str = _choice("warning", "debug", "info", "error")

    log_size: int = _whole(35, 0, 1000)
    message_ttl: float = _seconds(0, 0, 31_536_000)
    empty_room_ttl: float = _seconds(3600, 0, 31_536_000)
    grace_time: float = _seconds(15, 0, 3600)

    max_connections: int = _whole(10_000, 1, 1_000_000)
    connections_per_address: int = _whole(1000, 1, 1_000_000)
    requests_per_address: tuple[float, float] = _rate(100, 2000)
    max_rooms: int = _whole(10_000, 1, 1_000_000)
    max_room_members: int = _whole(1000, 1, 10_000)  # browsers read no longer list of people: static/js/events.js
    max_payload: int = _whole(200_000, 100_000, 100_000_000)
    max_header: int = _whole(16_000, 1000, 1_000_000)
    outbox_bytes: int = _whole(1_000_000, 10_000, 1_000_000_000)
    room_log_bytes: int = _whole(2_000_000, 100_000, 1_000_000_000)
    log_bytes: int = _whole(250_000_000, 100_000, 1_000_000_000_000)
    max_file: int = _whole(52_428_800, 0, 1_000_000_000)
    file_rate: tuple[float, float] = _flow(8_000_000, 40_000_000)
    joins_per_connection: int = _whole(3, 1, 1000)
    joins_per_address: tuple[float, float] = _rate(20, 1000)
    joins_per_room: tuple[float, float] = _rate(20, 1000)
    events_per_connection: tuple[float, float] = _rate(10, 40)
    events_per_address: tuple[float, float] = _rate(200, 2000)
    events_per_room: tuple[float, float] = _rate(200, 2000)
    bytes_per_connection: tuple[float, float] = _rate(200_000, 2_000_000, LARGEST_EVENT)
    bytes_per_address: tuple[float, float] = _rate(2_000_000, 20_000_000, LARGEST_EVENT)
    bytes_per_room: tuple[float, float] = _rate(1_000_000, 10_000_000, LARGEST_EVENT)
    refusals_per_connection: tuple[float, float] = _rate(1, 100)

    ping_interval: float = _seconds(25, 0.1, 3600)
    ping_timeout: float = _seconds(20, 0.1, 3600)
    connect_timeout: float = _seconds(45, 0.1, 3600)
    join_timeout: float = _seconds(120, 0.1, 86_400)
    idle_timeout: float = _seconds(30, 1, 3600)
    drain_time: float = _seconds(5, 0, 60)

    filter_punctuation: str = _setting(
        PUNCTUATION, "punctuation and symbols, without & < and >, each as itself", _is_punctuation
    )
    filter_links: tuple[str, ...] = _setting(("://", "www."), "a list of texts, none of them empty", all)
    label_filtered: str = _setting("<em>filtered</em>", "text, with b, i, em, strong, small, u, code or abbr at most")
    label_link: str = _setting(
        "<em>a link was posted</em>", "text, with b, i, em, strong, small, u, code or abbr at most"
    )


FIELDS = {each.name: each for each in dataclasses.fields(Settings)}


def load(path: Path | None, environment: Mapping[str, str], flags: Mapping[str, str]) -> Settings:
    """The settings of this start: flags over environment over the file over defaults.

    Raises SettingsError for anything that is not exactly a setting with a fitting value.
    """
    values: dict[str, Any] = {}
    if path is not None:
        values |= {key: _checked(key, value, str(path)) for key, value in _read(path).items()}
    for variable, text in environment.items():
        if variable.startswith(ENVIRONMENT_PREFIX) and variable not in NOT_SETTINGS:
            key = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
            values[key] = _from_text(key, text, variable)
    for key, text in flags.items():
        values[key] = _from_text(key, text, f"--{key}")
    settings = Settings(**values)
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise SettingsError(
            f"tls_certificate = {settings.tls_certificate!r}, tls_key = {settings.tls_key!r}: expected both or neither"
        )
    return settings


def differing(one: Settings, other: Settings) -> set[str]:
    """The names of those settings that have another value."""
    return {name for name in FIELDS if getattr(one, name) != getattr(other, name)}


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: expected UTF-8 text") from error
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, 1,000 brackets: not TOMLDecodeError
        raise SettingsError(f"{path}: expected TOML: {error}") from error


def _checked(key: str, value: Any, source: str) -> Any:
    """A value as TOML gives it, of the right type and in range."""
    known = FIELDS.get(key)
    if known is None:
        raise SettingsError(f"{source}: {key} = {_shown(value)}: unknown key; expected one of {', '.join(FIELDS)}")
    rule: Rule = known.metadata["rule"]
    if isinstance(value, list):
        value = tuple(value)
    if not _fits(value, known.default) or not rule.holds(value):
        shown = "..." if known.metadata.get("secret") else _shown(value)
        raise SettingsError(f"{source}: {key} = {shown}: expected {rule.expected}")
    return value


def _fits(value: Any, default: Any) -> bool:
    """The type of the default; a whole number will do where a fraction may stand."""
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, tuple):
        kind = 0.0 if default and isinstance(default[0], float) else ""
        return isinstance(value, tuple) and all(_fits(item, kind) for item in value)
    if isinstance(default, str):
        return isinstance(value, str)
    return isinstance(value, int) or (isinstance(value, float) and isinstance(default, float))


def _from_text(key: str, text: str, source: str) -> Any:
    """The same from the environment or a flag: true or false, numbers, and lists with commas."""
    default = FIELDS[key].default if key in FIELDS else ""
    value: Any = text
    if isinstance(default, bool):
        value = {"true": True, "false": False}.get(text.lower(), text)
    elif isinstance(default, tuple):
        parts = [part.strip() for part in text.split(",") if part.strip()]
        value = tuple(map(_number, parts) if default and isinstance(default[0], float) else parts)
    elif isinstance(default, int | float):
        value = _number(text)
    return _checked(key, value, source)


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _shown(value: Any) -> str:
    try:
        return repr(list(value)) if isinstance(value, tuple) else repr(value)
    except (ValueError, RecursionError):  # hexadecimal of 5,000 digits, a.a.a with 1,000 dots
        return "..."
