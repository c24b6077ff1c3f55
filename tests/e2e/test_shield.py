"""The shield's panel: what two people compare, and the key that stays covered until it is asked for."""

import hashlib

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from playwright.async_api import expect

from tests.client import Client, room_of
from tests.e2e.conftest import Enter
from tests.e2e.pages import Guest
from tests.reference import b64
from tests.serving import Served


async def opened(guest: Guest) -> Guest:
    await guest.page.locator("#shield").click()
    await expect(guest.shield).to_be_visible()
    return guest


async def closed(guest: Guest) -> None:
    await guest.page.keyboard.press("Escape")
    await expect(guest.shield).to_be_hidden()


async def test_two_people_in_one_room_see_the_same(alice: Guest, bobby: Guest, enter: Enter) -> None:
    async def seen(guest: Guest, what: str) -> str:
        return await guest.page.locator(what).inner_text()

    for guest in (alice, bobby):
        await opened(guest)
    for what in ("#room-fingerprint", "#server-fingerprint", "#server-key"):
        assert await seen(alice, what) == await seen(bobby, what)
    stranger = await opened(await enter("room-another", "Stranger"))
    assert await seen(stranger, "#room-fingerprint") != await seen(alice, "#room-fingerprint")
    assert await seen(stranger, "#server-fingerprint") == await seen(alice, "#server-fingerprint")
    for guest in (alice, bobby):
        await closed(guest)


async def test_the_server_s_key_is_the_one_that_it_gives_everybody(alice: Guest, server: Served) -> None:
    await opened(alice)
    async with Client(server.url) as client:
        said = client.all("send_public_key")[0]
    shown = await alice.page.locator("#server-key").inner_text()
    assert isinstance(said, str)
    assert shown.split() == said.split()
    spki = load_pem_public_key(shown.encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    fingerprint = await alice.page.locator("#server-fingerprint").inner_text()
    assert fingerprint.replace(" ", "").lower() == hashlib.sha256(spki).hexdigest()
    await closed(alice)


async def test_the_room_s_key_is_covered_until_somebody_asks(alice: Guest, bobby: Guest, server: Served) -> None:
    keys = []
    for guest in (alice, bobby):
        key = guest.page.locator("#room-key")
        await opened(guest)
        await expect(key).to_be_hidden()
        await expect(key).to_be_empty()
        await guest.page.locator("#show-key").click()
        await expect(key).to_be_visible()
        keys.append(await key.inner_text())
        await closed(guest)
        await expect(key).to_be_empty()
        await opened(guest)
        await expect(key).to_be_hidden()
        await closed(guest)
    async with Client(server.url) as client:
        expected = b64(room_of(alice.room, client.site).key)
    assert keys == [expected, expected]


async def test_the_key_is_covered_again_by_its_button(alice: Guest) -> None:
    await opened(alice)
    button, key = alice.page.locator("#show-key"), alice.page.locator("#room-key")
    await button.click()
    await expect(key).to_be_visible()
    await expect(button).to_have_attribute("aria-expanded", "true")
    await button.click()
    await expect(key).to_be_hidden()
    await expect(key).to_be_empty()
    await expect(button).to_have_attribute("aria-expanded", "false")
    await closed(alice)


async def test_it_says_what_is_not_protected_as_plainly_as_what_is(alice: Guest) -> None:
    await opened(alice)
    await expect(alice.shield).to_contain_text("Not protected")
    await expect(alice.shield).to_contain_text("A server that sends you other program code")
    await closed(alice)


async def test_the_room_s_name_can_be_hidden(alice: Guest) -> None:
    name, button = alice.page.locator("#room-name"), alice.page.locator("#hide-room")
    await expect(name).to_have_text(alice.room)
    await button.click()
    await expect(button).to_have_attribute("aria-pressed", "true")
    assert alice.room not in await alice.page.locator("body").inner_text()
    await button.click()
    await expect(name).to_have_text(alice.room)


async def test_a_person_s_card_holds_the_whole_tag(alice: Guest, bobby: Guest) -> None:
    card = alice.people.filter(has_text="Bobby")
    await card.locator("summary").click()
    letters = (await card.locator(".print").inner_text()).replace(" ", "")
    assert len(letters) == 20
    assert letters.startswith(await bobby.tag())
