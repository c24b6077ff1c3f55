"""What browsers are given, as hashes: by this checkout, and by a site that runs somewhere. Changes nothing.

Source: docs/security.md, "Checking a site".
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

from handlers.assets import Assets

PAGES: Final = ("/", "/room", "/help", "/offline", "/shell.js")
POLICY: Final = "Content-Security-Policy"
SECONDS = 20.0
AT_A_TIME = 6
"""As many as a browser asks for."""


class Unreachable(Exception):
    """A site does not answer; the text says what happened instead."""


@dataclass(frozen=True, slots=True)
class Given:
    """One answer: SHA-256 of the body (without its transport encoding) as hexadecimal, and the policy that browsers
    hold it to. `digest` is the status where that is not 200."""

    digest: str
    policy: str


Manifest = Mapping[str, Given]
"""By path, in the order of `paths`."""


def paths(assets: Assets) -> Sequence[str]:
    """All that a browser is given from here, but for the site's salt: pages, and every file that they may load."""
    return [*PAGES, *sorted(map(assets.url, assets.files))]


async def read(url: str, wanted: Sequence[str]) -> Manifest:
    """What the site at an address (without a slash at its end) gives out. Raises Unreachable."""
    client, turns = AsyncHTTPClient(force_instance=True), asyncio.Semaphore(AT_A_TIME)

    async def given(path: str) -> Given:
        async with turns:
            request = HTTPRequest(f"{url}{path}", follow_redirects=False, request_timeout=SECONDS)
            try:
                answer = await client.fetch(request, raise_error=False)
            except (OSError, ValueError, HTTPClientError) as error:
                raise Unreachable(f"{url} does not answer: {error}") from error
        if answer.code != 200:
            return Given(str(answer.code), "")
        return Given(hashlib.sha256(answer.body).hexdigest(), ", ".join(answer.headers.get_list(POLICY)))

    try:
        first = await given(wanted[0])  # alone: whoever does not answer is asked once
        return dict(zip(wanted, [first, *await asyncio.gather(*map(given, wanted[1:]))], strict=True))
    finally:
        client.close()


def written(manifest: Manifest) -> str:
    """A line for each path, as `sha256sum` writes them."""
    return "".join(f"{given.digest}  {path}\n" for path, given in manifest.items())


def differences(here: Manifest, there: Manifest) -> Sequence[str]:
    """A line for each path that gives something else there."""
    lines = []
    for path, given in here.items():
        found = there[path]
        if found.digest.isdecimal() and len(found.digest) == 3:
            lines.append(f"{path}: not there (HTTP {found.digest})")
        elif found.digest != given.digest:
            lines.append(f"{path}: something else")
        elif found.policy != given.policy:
            lines.append(f"{path}: under another {POLICY}")
    return lines
