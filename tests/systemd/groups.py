"""Knows how processes are kept together, in cgroups of their own, so that all of them end; not what they do."""

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

PATIENCE = 60.0
MOST_SECONDS = 400.0
CGROUPS = Path("/sys/fs/cgroup")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def until(holds: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Waits for what other processes do."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, "it does not come"
        time.sleep(0.05)


class Groups:
    """cgroups, one in each hierarchy, below those that this process is in."""

    def __init__(self, name: str) -> None:
        self._folders: list[Path] = []
        for line in Path("/proc/self/cgroup").read_text("ascii").splitlines():
            number, controllers, place = line.split(":", 2)
            mounted = CGROUPS / ("unified" if number == "0" else controllers.removeprefix("name="))
            if number == "0" and not mounted.exists():
                mounted = CGROUPS
            if controllers != "cpuset":  # which takes nobody in before it is told of processors
                self._folders.append(mounted / place.lstrip("/") / name)

    def make(self) -> None:
        for each in self._folders:
            each.mkdir()

    def command(self, command: Sequence[str]) -> list[str]:
        """It, and all that it starts, will be in there."""
        joins = "".join(f"echo $$ >{shlex.quote(str(each))}/cgroup.procs && " for each in self._folders)
        return ["sh", "-c", f'{joins}exec "$@"', "sh", *command]

    def run(self, command: Sequence[str], environment: dict[str, str]) -> None:
        """To its end. What it says is told if it fails."""
        done = subprocess.run(
            self.command(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=MOST_SECONDS,
            env={**environment, "PATH": f"{os.environ['PATH']}:{PATH}"},
        )
        assert done.returncode == 0, f"{command[0]}: {done.stdout[-4000:]}"

    def first(self) -> int:
        """The process that is the first in its own view; 0 where there is none."""
        for pid in self._pids():
            with suppress(OSError):
                found = re.search(r"^NSpid:\s+\d+\s+1$", Path(f"/proc/{pid}/status").read_text("utf-8"), re.MULTILINE)
                if found:
                    return pid
        return 0

    def kill(self) -> None:
        """Whoever is in there; those that they have started meanwhile, too."""
        until(self._killed)

    def end(self) -> None:
        """With them."""
        self.kill()
        until(self._removed)

    def _killed(self) -> bool:
        pids = self._pids()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not pids

    def _removed(self) -> bool:
        """Linux may take a moment longer with those who have ended."""
        for folder in self._folders:
            for place, _, _ in os.walk(folder, topdown=False):
                with suppress(OSError):
                    Path(place).rmdir()
        return not any(folder.exists() for folder in self._folders)

    def _pids(self) -> set[int]:
        found: set[int] = set()
        for folder in self._folders:
            for place, _, _ in os.walk(folder):  # which does not mind what goes away meanwhile
                with suppress(OSError):
                    found.update(map(int, Path(place, "cgroup.procs").read_text("ascii").split()))
        return found - {0}
