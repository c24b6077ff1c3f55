"""The vectors once more in Chromium, where people's keys are made: in a page of the product, under its policy."""

import json
from pathlib import Path
from urllib.parse import urljoin

import pytest

from handlers.base import page_policy
from tests.e2e.hostile.server import hostile_server
from tests.e2e.pages import Visits
from tests.reference import Json

TESTS = Path(__file__).parent.parent

RUN = """async ({ scripts, vectors }) => {
  const load = (name) => import(`${scripts}${name}.js`);
  const names = ["vectors", "bytes", "names", "crypto", "envelope", "kdf", "trusted"];
  const [checks, bytes, words, crypto, envelope, kdf, trusted] = await Promise.all(names.map(load));
  const deriveSecret = (name, salt) => kdf.deriveSecret(trusted.scriptUrl("kdf"), name, salt);
  return checks.runVectors(vectors, { bytes, names: words, crypto, envelope, deriveSecret });
}"""


# WebDriver BiDi makes other characters of half surrogates, which some vectors are about.
@pytest.mark.chromium
async def test_every_vector(visits: Visits) -> None:
    """The real worker with the real memory, WebCrypto of the browser, integrity of every module by the import map."""
    vectors: dict[str, Json] = {
        path.stem: json.loads(path.read_text("utf-8")) for path in (TESTS / "vectors").glob("*.json")
    }
    async with hostile_server(scripts=[TESTS / "js" / "vectors.js"]) as server:
        page = await visits.page()
        answer = await page.goto(f"{server.url}/")
        assert answer is not None
        assets = server.site.gate.application.settings["assets"]
        assert answer.headers["content-security-policy"] == page_policy(assets.import_map_source())
        scripts = urljoin(server.url, assets.url("js/"))
        report = await page.evaluate(RUN, {"scripts": scripts, "vectors": vectors})
    assert report["failures"] == []
    assert report["checked"] > 200
