"""A message that failed for good can be tried again, copied or discarded; whether it was copied is said, and seen."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Locator, ViewportSize, expect

from tests.e2e.hostile.scene import Scene
from tests.e2e.pages import DESKTOP, Guest

TARGET_PX = 44
PHONE: ViewportSize = {"width": 390, "height": 844}


async def fails(scene: Scene, guest: Guest, text: str) -> Locator:
    """A message that the server has refused for good."""
    with scene.server.deaf(scene.member(guest), "send_message", {"error": "too-large"}):
        await guest.write(text)
        await expect(guest.message(text)).to_have_attribute("data-status", "failed")
    return guest.message(text)


async def clipboard(guest: Guest) -> str:
    return str(await guest.page.evaluate("() => navigator.clipboard.readText()"))


@asynccontextmanager
async def clipboards(scene: Scene, guest: Guest, setting: str) -> AsyncIterator[None]:
    """What the person, or the browser, says to a page that wants to write to the clipboard."""
    browser = guest.page.context.browser
    assert browser is not None
    session = await browser.new_browser_cdp_session()
    info = await (await guest.page.context.new_cdp_session(guest.page)).send("Target.getTargetInfo")
    where = {"origin": scene.server.url, "browserContextId": info["targetInfo"]["browserContextId"]}
    permission = {"name": "clipboard-write", "allowWithoutSanitization": False}
    await session.send("Browser.setPermission", {"permission": permission, "setting": setting, **where})
    yield
    await session.send("Browser.resetPermissions", {"browserContextId": where["browserContextId"]})


# Only Chromium lets a test decide about the clipboard.
@pytest.mark.chromium
async def test_what_failed_is_copied_as_it_was_written(scene: Scene) -> None:
    guest = scene.bob
    text = "<b>first</b> http://example.org/?a=b\n  שלום & second\u202e"
    await guest.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    # What is shown is not what was written: the copy is.
    await guest.allow(links=False, characters=False)
    with scene.server.deaf(scene.member(guest), "send_message", {"error": "too-large"}):
        await guest.write(text)
        failed = guest.page.locator("#messages li.message[data-status=failed]")
        await expect(failed.locator(".label")).to_be_visible()
    copy = failed.get_by_role("button", name="Copy")
    await copy.focus()
    await guest.page.keyboard.press("Enter")
    await expect(guest.page.locator("#say-seen")).to_have_text("Message copied.")
    assert await clipboard(guest) == text
    # It can be tried again, or copied once more: nothing has moved away under the reader's hands.
    await expect(copy).to_be_focused()
    await guest.allow(links=True, characters=True)
    await expect(copy).to_have_count(1)
    await failed.get_by_role("button", name="Discard").click()
    await expect(failed).to_have_count(0)
    await guest.page.context.clear_permissions()


# The same.
@pytest.mark.chromium
async def test_a_browser_that_forbids_copying_is_spoken_of(scene: Scene) -> None:
    failed = await fails(scene, scene.bob, "cannot be copied")
    async with clipboards(scene, scene.bob, "denied"):
        await failed.get_by_role("button", name="Copy").click()
        await expect(scene.bob.page.locator("#say-seen")).to_contain_text("did not allow copying")
        await scene.bob.page.locator("#invite-toggle").click()
        await scene.bob.page.locator("#copy-room").click()
        await expect(scene.bob.page.locator("#say-seen span")).to_have_count(1)
    await failed.get_by_role("button", name="Discard").click()


async def test_by_keyboard_in_the_order_of_harmlessness_and_then_on_with_writing(scene: Scene) -> None:
    guest, keyboard = scene.bob, scene.bob.page.keyboard
    async with scene.watching() as (alice, bob):
        await fails(scene, guest, "try again")
        failed = await fails(scene, guest, "discard")
        await guest.page.locator("#stream").focus()
        names = ["Try again", "Copy", "Discard"]
        for name in [*names, *names]:
            await keyboard.press("Tab")
            focused = guest.page.locator(":focus-visible")
            await expect(focused).to_have_text(name)
            assert await focused.evaluate("button => getComputedStyle(button).outlineStyle") == "solid"
        await keyboard.press("Enter")
        await expect(failed).to_have_count(0)
        await expect(guest.text).to_be_focused()
        await guest.message("try again").get_by_role("button", name="Try again").press("Space")
        await expect(guest.message("try again")).to_have_attribute("data-status", "sent")
        await expect(guest.text).to_be_focused()
    assert alice.texts == bob.texts == ["try again"]


async def test_on_a_phone_it_fits_and_is_large_enough_for_a_finger(scene: Scene) -> None:
    guest = scene.bob
    await guest.page.set_viewport_size(PHONE)
    failed = await fails(scene, guest, "on a phone")
    for button in await failed.get_by_role("button").all():
        box = await button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= TARGET_PX
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
    await guest.page.set_viewport_size(DESKTOP)
