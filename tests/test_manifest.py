"""What browsers are given can be listed, and compared with what a running site gives them."""

import hashlib
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest

from handlers.assets import read_assets
from manifest import PAGES, Given, differences
from tests.programs import ROOT
from tests.serving import Served, serve

POLICY = "default-src 'none'"


def asked(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(ROOT / "chatsite.py"), *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serve() as served:
        yield served


def test_the_manifest_lists_the_hash_of_all_that_a_site_gives(served: Served) -> None:
    done = asked("--manifest")
    assert (done.returncode, done.stderr) == (0, "")
    listed = {path: digest for digest, _, path in (line.partition("  ") for line in done.stdout.splitlines())}
    assets = read_assets(ROOT / "static")
    assert listed.keys() == {*PAGES, *map(assets.url, assets.files)}
    for path, digest in listed.items():
        with urllib.request.urlopen(f"{served.url}{path}") as answer:  # noqa: S310 - our own
            assert hashlib.sha256(answer.read()).hexdigest() == digest, path


def test_a_site_that_runs_these_files_is_the_same(served: Served) -> None:
    done = asked(f"--compare={served.url}/")
    number = len(asked("--manifest").stdout.splitlines())
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{number} of {number} are the same\n", "")


def test_a_page_that_says_something_else_is_named() -> None:
    with serve(label_link="<b>no links here</b>") as other:
        done = asked(f"--compare={other.url}")
    assert (done.returncode, done.stdout, done.stderr) == (1, "/room: something else\n", "")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:1", "chatsite: http://127.0.0.1:1 does not answer: "),
        ("https://nobody.invalid", "chatsite: https://nobody.invalid does not answer: "),
        ("http://a b", "chatsite: http://a b does not answer: "),
        ("chat.example", "chatsite: --compare = 'chat.example': expected an address such as https://chat.example"),
        ("file:///etc/passwd", "chatsite: --compare = 'file:///etc/passwd': expected an address"),
    ],
)
def test_a_site_that_cannot_be_asked_is_an_error_of_one_line(url: str, said: str) -> None:
    done = asked(f"--compare={url}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1


def test_a_self_made_certificate_proves_nothing() -> None:
    with serve(ip="0.0.0.0") as other:  # noqa: S104 - what is no loopback address, and is there on every machine
        done = asked(f"--compare=https://127.0.0.1:{other.port}")
    assert (done.returncode, done.stdout) == (2, "")
    assert "certificate" in done.stderr.lower()


def test_every_difference_has_its_line() -> None:
    here = {path: Given("a" * 64, POLICY) for path in ("/", "/room", "/static/1/a.js", "/static/1/b.js")}
    there = {
        "/": Given("a" * 64, POLICY),
        "/room": Given("b" * 64, POLICY),
        "/static/1/a.js": Given("404", ""),
        "/static/1/b.js": Given("a" * 64, f"{POLICY}; script-src *"),
    }
    assert differences(here, there) == [
        "/room: something else",
        "/static/1/a.js: not there (HTTP 404)",
        "/static/1/b.js: under another Content-Security-Policy",
    ]
    assert differences(here, here) == []
