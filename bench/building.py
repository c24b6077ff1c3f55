"""Makes programs of the bench's C files with the machine's own compiler; knows nothing of what they do."""

import hashlib
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
BUILT = HERE / "built"

FLAGS = ("-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror")
SOURCES = {
    "generator": ("generator.c", "line.c", "join.c", "ledger.c"),
    "ceiling": ("ceiling.c",),
}


class NotBuilt(Exception):
    """What the compiler said."""


def build(name: str, directory: Path = BUILT) -> Path:
    """The program, made anew when its sources or the flags have changed."""
    sources = [HERE / source for source in SOURCES[name]]
    program, mark = directory / name, directory / f"{name}.sha256"
    inputs = [*sorted(HERE.glob("*.h")), *sources]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in inputs) + repr(FLAGS).encode()).hexdigest()
    if program.is_file() and mark.is_file() and mark.read_text() == digest:
        return program
    directory.mkdir(parents=True, exist_ok=True)
    # Elsewhere first: somebody else may be about to start it, or to build it, too.
    with tempfile.TemporaryDirectory(dir=directory) as elsewhere:
        made = Path(elsewhere, name)
        command = ["cc", *FLAGS, *map(str, sources), "-o", str(made), "-lssl", "-lcrypto", "-lm"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise NotBuilt("a C compiler is missing: install gcc and libssl-dev, or run bench/run as root") from error
        if done.returncode != 0:
            raise NotBuilt(f"{name} cannot be built; are gcc and libssl-dev installed?\n{done.stderr}")
        made.replace(program)
    mark.write_text(digest)
    return program
