"""The check that every other test here relies on can fail: whatever a page may complain of is heard."""

import pytest
from playwright.async_api import expect

from tests.e2e.pages import Complaints, Login, Visits
from tests.serving import Served


async def test_whatever_a_page_complains_of_is_heard(visits: Visits, complaints: Complaints, server: Served) -> None:
    page = await visits.page()
    await Login.open(page, server.url)
    await page.evaluate("() => console.error('an error of the console')")
    await page.evaluate("() => void setTimeout(() => { throw new Error('nobody caught this') })")
    await page.evaluate(
        "() => new Promise((resolve) => {"
        "  const image = document.createElement('img');"
        "  image.onerror = resolve;"
        "  image.src = 'http://elsewhere.test/picture.png';"
        "  document.body.append(image);"
        "})"
    )
    await page.evaluate("() => { try { document.body.innerHTML = '<p>injected</p>'; } catch {} }")
    await expect(page.get_by_text("injected")).to_have_count(0)
    await complaints.settle()
    expected = (
        "an error of the console",
        "uncaught: nobody caught this",
        "violation of img-src: http://elsewhere.test",
        "violation of require-trusted-types-for",
    )
    for words in expected:
        assert any(words in line for line in complaints.heard), (words, complaints.heard)
    assert len(complaints.unexpected) >= len(expected)
    complaints.expect(r"")


# Firefox asks no host that has no address.
@pytest.mark.chromium
async def test_a_request_to_another_host_is_heard(visits: Visits, complaints: Complaints) -> None:
    """One that no policy stops: going there."""
    page = await visits.page()
    await page.goto("about:blank")
    await page.evaluate("() => void fetch('http://elsewhere.test/').catch(() => 0)")
    await complaints.settle()
    assert any("request to another host: http://elsewhere.test/" in line for line in complaints.heard)
    complaints.expect("elsewhere", "net::ERR_NAME_NOT_RESOLVED")
