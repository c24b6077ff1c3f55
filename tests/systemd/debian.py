"""Makes a small Debian with Chatsite in it as README.md says; knows where this machine gets its packages from.

No address and no path is written here: they are those of this machine's apt, pip and npm.
"""

import ast
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from tests.programs import ROOT
from tests.systemd.groups import Groups

HOME = "/opt/chatsite"
"""Where the units look for the checkout."""
PACKAGES = ("systemd", "systemd-sysv", "dbus", "python3", "python3-venv", "ca-certificates", "redis-server")
UNITS = "etc/systemd/system"
INIT = "usr/local/sbin/init-with-cgroups"
INIT_SCRIPT = """#!/bin/sh
# nspawn mounts the controllers of cgroups v1 to be read only; a machine has them for writing, and limits need that.
for each in /sys/fs/cgroup/*; do
    case ${each##*/} in
        systemd | unified) ;;
        *) mount -o remount,bind,rw "$each" 2>/dev/null ;;
    esac
done
exec /lib/systemd/systemd
"""


def readme(start: str) -> str:
    """The line of README.md that begins so."""
    (line,) = re.findall(rf"^{re.escape(start)}.*$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    return str(line)


def make(root: Path, inside: Groups) -> None:
    """This machine's Debian, from this machine's mirror, and the checkout as it was committed last."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    about = ("Created-By: Packages", f"Codename: {release}", "Component: main")
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI)", *about]
    mirror = subprocess.check_output(asked, text=True).split()[0]
    # What debootstrap mounts goes with the space that it mounts it in, however it ends.
    apart = ("unshare", "--mount", "--propagation=private")
    bootstrap = ("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", release, str(root), mirror)
    inside.run([*apart, *bootstrap], dict(os.environ))
    inside.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(root / HOME[1:])], dict(os.environ))
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n", "ascii")
    _install(root, inside)
    (root / "etc/machine-id").write_text("", "ascii")
    # It is started by the one who wants it.
    (root / UNITS / "multi-user.target.wants/redis-server.service").unlink()
    (root / INIT).write_text(INIT_SCRIPT, "ascii")
    (root / INIT).chmod(0o755)


def _install(root: Path, inside: Groups) -> None:
    """As README.md says it, with the client for Redis at once; with what this machine sets for pip and npm."""
    line = readme(f"cd {HOME} && ").replace("install -e .", "install -e '.[redis]'")
    environment = {**_pip(), **_npm()}
    told = " ".join(environment.values())
    if user := environment.get("npm_config_userconfig"):
        told += " " + Path(user).read_text("utf-8")
    named = [word.removeprefix("file://") for word in re.split(r"[\s=\"']+", told)]
    paths = {_to_bind(Path(word), root) for word in named if word.startswith("/")}
    shared = [f"--bind-ro={path}" for path in sorted(paths - {None}, key=str)]
    given = [f"--setenv={name}" for name in environment]
    command = nspawn(root, "--pipe", "--as-pid2", "--resolv-conf=copy-host", *shared, *given, "/bin/sh", "-c", line)
    inside.run(command, {**environment, "LANG": "C.UTF-8"})


def _to_bind(path: Path, root: Path) -> Path | None:
    """A file alone; of a folder the first part that is not in there, since what lies in it may point to beside it."""
    if not path.is_dir():
        return path if path.is_file() else None
    missing = [each for each in (path, *path.parents) if not (root / str(each)[1:]).exists()]
    return missing[-1] if missing else None


def _pip() -> dict[str, str]:
    """All that pip is told by this machine's files and environment, as its environment."""
    asked = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    told: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in subprocess.check_output(asked, text=True).splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if section in told:
            told[section][f"PIP_{name.upper().replace('-', '_')}"] = str(ast.literal_eval(value))
    return {**told["global"], **told["install"], **told[":env:"]}


def _npm() -> dict[str, str]:
    known = ("npm_config_", "node_extra_ca_certs", "ssl_cert_file", "http_proxy", "https_proxy", "no_proxy")
    found = {name: value for name, value in os.environ.items() if name.lower().startswith(known)}
    own = Path("~/.npmrc").expanduser()
    return {"npm_config_userconfig": str(own), **found} if own.is_file() else found


def nspawn(root: Path, *arguments: str) -> list[str]:
    """A command that runs another in there. This machine's systemd, if it has one, is not told of it."""
    return ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", f"--directory={root}", *arguments]
