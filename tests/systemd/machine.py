"""Boots a small Debian with systemd as its first process, and clears all of it away; knows no unit.

It is a container of systemd-nspawn with a network of its own, which `network` goes into. All its processes are in
cgroups of their own, by which none is forgotten.
"""

import ctypes
import os
import resource
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.systemd.debian import HOME, INIT, UNITS, make, nspawn
from tests.systemd.groups import PATH, PATIENCE, Groups, until


class Machine:
    """One that runs. `root`: where its files lie. `pid`: of its first process, as seen from here."""

    def __init__(self, root: Path, pid: int) -> None:
        self.root = root
        self.pid = pid

    def run(self, *command: str, check: bool = True) -> str:
        """What a command says that runs in there as root."""
        spaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd")
        entered = ["nsenter", f"--target={self.pid}", *spaces, "env", "-i", f"PATH={PATH}", *command]
        done = subprocess.run(entered, capture_output=True, text=True, check=False, timeout=2 * PATIENCE)
        assert done.returncode == 0 or not check, f"{shlex.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    def shell(self, line: str) -> str:
        """A line of README.md, said where the checkout is."""
        return self.run("sh", "-c", f"cd {HOME} && {line}")

    def systemctl(self, *arguments: str, check: bool = True) -> str:
        return self.run("systemctl", *arguments, check=check)

    def show(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit."""
        said = self.systemctl("show", unit, *(f"--property={name}" for name in names))
        return dict(line.split("=", 1) for line in said.splitlines())

    def main_pid(self, unit: str) -> str:
        """As seen from in there; 0 where nothing runs."""
        return self.show(unit, "MainPID")["MainPID"]

    def journal(self, unit: str) -> str:
        return self.run("journalctl", f"--unit={unit}", "--output=cat", "--no-pager")

    @contextmanager
    def drop_in(self, unit: str, lines: str) -> Iterator[None]:
        """More of a unit's [Service], meanwhile."""
        folder = self.root / UNITS / f"{unit}.service.d"
        folder.mkdir()
        try:
            (folder / "test.conf").write_text(f"[Service]\n{lines}\n", "utf-8")
            self.systemctl("daemon-reload")
            yield
        finally:
            shutil.rmtree(folder)
            self.systemctl("daemon-reload")

    @contextmanager
    def network(self) -> Iterator[None]:
        """This thread is in the machine's network meanwhile, as by nsenter, with all threads that it starts."""
        with Path("/proc/thread-self/ns/net").open() as ours, Path(f"/proc/{self.pid}/ns/net").open() as theirs:
            _enter(theirs.fileno())
            try:
                yield
            finally:
                _enter(ours.fileno())


def _enter(space: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.setns(space, 0) == 0, os.strerror(ctypes.get_errno())


def open_files() -> int:
    """The most that a process in there may have, whatever its unit says: systemd cannot go beyond its own limit."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """`folder`: for its files, some 500 MB; nothing is left in it."""
    assert os.geteuid() == 0, "A machine of its own needs root: run this as root, or where root may be had"
    for program in ("debootstrap", "systemd-nspawn", "nsenter", "git"):
        assert shutil.which(program, path=f"{os.environ['PATH']}:{PATH}"), f"{program} is missing: run tests/run --long"
    name = f"chatsite-{os.getpid()}"
    root = folder / name
    with ExitStack() as stack:
        stack.callback(_clear, folder)
        inside = Groups(name)
        stack.callback(inside.end)
        inside.make()
        make(root, inside)
        log = stack.enter_context((folder / "console").open("w+", encoding="utf-8"))
        process = subprocess.Popen(
            inside.command(nspawn(root, "--private-network", "--console=pipe", f"/{INIT}")),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        stack.callback(_end, process, inside)
        until(lambda: inside.first() or process.poll() is not None)
        pid = inside.first()
        assert pid, (folder / "console").read_text("utf-8")
        made = Machine(root, pid)
        # Whatever of Debian's does not start in a container is not looked at.
        until(lambda: made.systemctl("is-system-running", check=False).strip() in {"running", "degraded"})
        yield made


def _end(process: "subprocess.Popen[bytes]", inside: Groups) -> None:
    """As when its power fails: how it would end itself is not asked here. systemd-nspawn sees that, and tidies up."""
    if first := inside.first():
        os.kill(first, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
    inside.kill()
    process.wait(PATIENCE)


def _clear(folder: Path) -> None:
    mounted = Path("/proc/self/mountinfo").read_text("utf-8")
    assert f" {folder}/" not in mounted, "what is mounted there is not to be cleared away"
    for each in folder.iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()
