"""Own script and style stay small; libraries are not counted. docs/adr/0008-sizes-as-sent.md says how it is counted."""

import brotli

from tests.programs import ROOT

MOST_BYTES = 90_000


def test_own_script_and_style_are_small_as_sent() -> None:
    own = [*(ROOT / "static/js").glob("*.js"), *(ROOT / "static/css").glob("*.css")]
    sizes = {path.name: len(brotli.compress(path.read_bytes(), quality=11)) for path in own}
    assert {"room.js", "login.js", "site.css"} <= sizes.keys()
    assert sum(sizes.values()) < MOST_BYTES, sizes
