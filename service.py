"""What the service manager is told: that the site is ready, alive, reloading or stopping. Knows nothing of the site.

Source: sd_notify(3) and sd_watchdog_enabled(3): one datagram of lines to a socket that the environment names.
"""

import logging
import os
import socket
import time
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Mapping

logger = logging.getLogger(__name__)

READY, RELOADING, STOPPING, ALIVE = "READY=1", "RELOADING=1", "STOPPING=1", "WATCHDOG=1"


class ServiceManager:
    """The manager that this process was started by; silent where there is none."""

    def __init__(self, environment: Mapping[str, str], loop: AbstractEventLoop) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._loop = loop
        self._interval = _interval(environment)
        self._timer: TimerHandle | None = None

    def ready(self) -> None:
        """The site is open, or has reloaded. From now on the loop's turning is told."""
        self._say(READY)
        if self._interval and self._timer is None:
            self._beat()

    def reloading(self) -> None:
        """The site reads its settings again; `ready` ends that."""
        self._say(f"{RELOADING}\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The site lets its clients go. It is still alive."""
        self._say(STOPPING)

    def close(self) -> None:
        """Nothing more is said."""
        if self._timer is not None:
            self._timer.cancel()

    def _beat(self) -> None:
        self._say(ALIVE)
        self._timer = self._loop.call_later(self._interval, self._beat)

    def _say(self, words: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
                line.setblocking(False)
                line.sendto(words.encode(), self._address)
        except OSError as error:  # a manager that does not listen is no reason to stop
            logger.warning("the service manager cannot be told: %s", error.strerror)


def _interval(environment: Mapping[str, str]) -> float:
    """Seconds between two signs of life: a third of what is waited for one. 0 where none is."""
    microseconds, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or pid not in {"", str(os.getpid())}:
        return 0
    return int(microseconds) / 3_000_000
