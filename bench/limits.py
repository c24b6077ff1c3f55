"""Settings with which Chatsite's limiters work and do not limit: all the load comes from one address."""

from typing import Any

MOST = (1e9, 1e9)

UNLIMITED: dict[str, Any] = {
    "connections_per_address": 1_000_000,
    "requests_per_address": MOST,
    **{f"joins_per_{whose}": MOST for whose in ("address", "room")},
    **{f"{what}_per_{whose}": MOST for what in ("events", "bytes") for whose in ("connection", "address", "room")},
}
"""By their names in settings.py."""


def in_environment(settings: dict[str, Any]) -> dict[str, str]:
    """The same as variables without their prefix."""
    return {
        name.upper(): ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        for name, value in settings.items()
    }
