"""Runs the example docs/hello.py as its own text says, in a room with somebody who hears it."""

import ast
import asyncio
import re
import shlex
import sys
from asyncio.subprocess import PIPE

from tests.architecture import imports, modules
from tests.client import talking
from tests.programs import ROOT
from tests.serving import serve

HELLO = ROOT / "docs" / "hello.py"
LINES = 30


def test_thirty_lines_say_a_sentence_that_is_heard() -> None:
    (command,) = re.findall(r"^python (.+)$", HELLO.read_text("utf-8"), re.MULTILINE)
    script, _, room, name, text = shlex.split(command)

    async def scene(url: str) -> None:
        async with talking(url, room, "Steve") as (steve,):
            program = [sys.executable, "-W", "error", script, url, room, name, text]
            process = await asyncio.create_subprocess_exec(*program, cwd=ROOT, stdout=PIPE, stderr=PIPE)
            await steve.hears("get_message")
            assert [opened.payload["text"] for opened in steve.messages] == [text]
            assert [opened.payload["name"] for opened in steve.messages] == [name]
            await steve.hears("user_left")
            said, complaints = await process.communicate()
            joined, sent = said.decode().splitlines()
            assert joined.startswith("{'member': ")
            assert (sent, complaints, process.returncode) == ("{'id': 1}", b"", 0)

    # The library may close the line before it has sent its goodbye.
    with serve(grace_time=0.2) as served:
        asyncio.run(scene(served.url))
    assert served.stderr == ""


def test_it_is_as_short_as_it_says_and_knows_nothing_of_ours() -> None:
    tree = ast.parse(HELLO.read_text("utf-8"))
    imported = (ast.Import, ast.ImportFrom)
    lines = {
        line
        for node in tree.body[1:]
        if not isinstance(node, imported)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    assert len(lines) <= LINES
    assert not set(imports(HELLO)) & set(modules())
