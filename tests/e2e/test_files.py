"""Files from tab to tab: chosen, dropped, pasted, spoken; fetched, stopped, resumed, gone; and what hostile ones may
not."""

import asyncio
import struct
import zlib

import pytest
from playwright.async_api import FilePayload, Locator, expect

from tests.e2e.conftest import Enter, Serving
from tests.e2e.pages import CUT_LINE, Complaints, Guest, Visits
from tests.serving import Served

SETTINGS = {"events_per_connection": "10, 1000", "max_file": "3000000"}
WORDS = b"What is written here is nobody's business.\n" * 1000
BIG = bytes(range(256)) * 8_000


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"".join(b"\0" + b"\x20\xc0\x60" * width for _ in range(height)))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def file(name: str, data: bytes, kind: str = "application/octet-stream") -> FilePayload:
    return {"name": name, "mimeType": kind, "buffer": data}


async def send(guest: Guest, *files: FilePayload) -> None:
    await guest.page.locator("#file").set_input_files([*files])


def card(guest: Guest, name: str) -> Locator:
    return guest.message(name).locator(".file")


async def saved(guest: Guest, name: str) -> bytes:
    async with guest.page.expect_download() as download:
        await card(guest, name).get_by_role("link", name="Save").click()
    path = await (await download.value).path()
    return await asyncio.to_thread(path.read_bytes)


# Playwright does not hear of downloads over WebDriver BiDi.
@pytest.mark.chromium
async def test_a_file_is_fetched_by_whoever_wants_it_and_is_what_it_was(alice: Guest, bobby: Guest) -> None:
    await send(alice, file("letter.txt", WORDS, "text/plain"))
    await expect(card(alice, "letter.txt")).to_contain_text("43 kB")
    assert await saved(alice, "letter.txt") == WORDS
    await expect(card(bobby, "letter.txt")).to_contain_text("43 kB")
    await card(bobby, "letter.txt").get_by_role("button", name="Download").click()
    assert await saved(bobby, "letter.txt") == WORDS
    await send(alice, file("empty", b""), file("one.bin", b"1"))
    for name, data in (("empty", b""), ("one.bin", b"1")):
        await card(bobby, name).get_by_role("button", name="Download").click()
        assert await saved(bobby, name) == data


# The same.
@pytest.mark.chromium
async def test_who_comes_later_fetches_it_while_its_owner_is_here(enter: Enter) -> None:
    owner = await enter("room-later", "Owner")
    await send(owner, file("a.bin", BIG))
    await expect(owner.message("a.bin")).to_have_attribute("data-status", "sent")
    first, second = await enter("room-later", "First"), await enter("room-later", "Second")
    await card(first, "a.bin").get_by_role("button", name="Download").click()
    assert await saved(first, "a.bin") == BIG
    await owner.leave()
    await second.see_notice("Owner")
    await card(second, "a.bin").get_by_role("button", name="Download").click()
    await expect(card(second, "a.bin")).to_contain_text("No longer there")
    # Who has it, has it.
    assert await saved(first, "a.bin") == BIG


async def test_what_its_owner_deletes_is_gone(alice: Guest, bobby: Guest) -> None:
    await send(alice, file("regretted.txt", WORDS))
    await bobby.hears("regretted.txt")
    await alice.point_at(alice.message("regretted.txt"))
    await expect(alice.page.locator("#acts [data-choice=edit]")).to_be_hidden()
    for _ in range(2):
        await alice.page.locator("#acts [data-choice=erase]").click()
    await expect(bobby.messages.last.locator(".text")).to_have_text("deleted")
    await expect(bobby.messages.last.locator(".file")).to_have_count(0)


async def test_small_pictures_are_shown_and_nothing_that_only_looks_like_one(alice: Guest, bobby: Guest) -> None:
    await send(
        alice,
        file("holiday.png", png(32, 20), "image/png"),
        file("vector.png", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "image/png"),
        file("page.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
        file("bomb.png", png(1, 1)[:16] + struct.pack(">II", 60_000, 60_000) + png(1, 1)[24:], "image/png"),
    )
    for guest in (alice, bobby):
        picture = card(guest, "holiday.png").locator("img")
        await expect(picture).to_have_attribute("alt", "holiday.png")
        assert await picture.evaluate("(img) => img.decode().then(() => [img.naturalWidth, img.naturalHeight])") == [
            32,
            20,
        ]
    for name in ("vector.png", "bomb.png"):
        await expect(card(bobby, name).get_by_role("link", name="Save")).to_be_visible()
        await expect(card(bobby, name).locator("img")).to_have_count(0)
    # What is no picture by its own word is not even fetched unasked.
    await expect(card(bobby, "page.svg").get_by_role("button", name="Download")).to_be_visible()


async def test_a_name_hides_nothing(alice: Guest, bobby: Guest) -> None:
    await send(alice, file("invoice\u202efdp.exe", b"x"))
    await bobby.hears("invoicefdp.exe")
    await alice.allow(characters=True)
    await bobby.allow(links=False)
    await send(alice, file("www.example.org.txt", b"x"))
    await expect(bobby.messages.last.locator(".label")).to_have_text("a link was posted")
    await expect(bobby.messages.last.locator(".file")).to_have_count(0)
    await bobby.allow(links=True)
    await expect(card(bobby, "www.example.org.txt")).to_be_visible()


async def test_too_large_is_said_before_anything_is_sent(alice: Guest) -> None:
    await send(alice, file("huge.iso", bytes(3_000_001)))
    await expect(alice.page.locator("#say-seen")).to_have_text("huge.iso is too large: at most 3 MB.")
    await expect(alice.message("huge.iso")).to_have_count(0)


# Firefox gives an event that a script makes no clipboard.
@pytest.mark.chromium
async def test_dropped_and_pasted(alice: Guest, bobby: Guest) -> None:
    for kind, target, name in (("drop", "#stream", "dropped.txt"), ("paste", "#text", "pasted.txt")):
        await alice.page.locator(target).evaluate(
            """(target, [kind, name]) => {
              const data = new DataTransfer();
              data.items.add(new File(["content"], name));
              const options = { bubbles: true, cancelable: true };
              const event = kind === "drop" ? new DragEvent(kind, { ...options, dataTransfer: data })
                : new ClipboardEvent(kind, { ...options, clipboardData: data });
              target.dispatchEvent(event);
            }""",
            [kind, name],
        )
        await bobby.hears(name)


# It downloads, too.
@pytest.mark.chromium
async def test_stopped_cut_and_taken_up_again(enter: Enter, serving: Serving, complaints: Complaints) -> None:
    complaints.expect(CUT_LINE)
    # Slow enough for a person to press something meanwhile.
    slow = serving(file_rate="150000, 150000", events_per_connection="10, 1000")
    owner, reader = await asyncio.gather(
        enter("room-slow", "Owner", url=slow.url), enter("room-slow", "Reader", url=slow.url)
    )
    data = BIG[:700_000]
    await send(owner, file("slow.bin", data))
    it = card(reader, "slow.bin")
    await it.get_by_role("button", name="Download").click()
    await expect(it.get_by_role("progressbar")).to_be_visible()
    await it.get_by_role("button", name="Stop").click()
    await it.get_by_role("button", name="Download").click()
    await expect(it.get_by_role("progressbar")).to_be_visible()
    for guest in (reader, owner):
        await guest.page.context.set_offline(True)
        await guest.reaches("offline")
        await guest.page.context.set_offline(False)
        await guest.comes_back()
    assert await saved(reader, "slow.bin") == data


async def test_a_voice_is_a_file_that_can_be_heard(visits: Visits, server: Served) -> None:
    context = await visits.context(permissions=["microphone"])
    speaker = await Guest.enter(await context.new_page(), server.url, "room-voice", "Speaker")
    listener = await Guest.enter(await visits.page(), server.url, "room-voice", "Listener")
    record, discard = speaker.page.locator("#record"), speaker.page.locator("#record-cancel")
    await record.click()
    await expect(speaker.page.locator("#recorded")).to_have_text("0:00")
    await expect(speaker.page.locator("#recorded")).to_have_text("0:01")
    await discard.click()
    await expect(record).to_have_attribute("aria-pressed", "false")
    await record.click()
    await expect(record).to_have_attribute("aria-pressed", "true")
    await expect(speaker.page.locator("#recorded")).to_have_text("0:01")
    await record.click()
    await expect(speaker.messages).to_have_count(1)
    await card(listener, "voice-").get_by_role("button", name="Download").click()
    sound = card(listener, "voice-").locator("audio")
    await expect(sound).to_be_visible()
    assert await sound.evaluate(
        """(audio) => new Promise((heard) => {
          audio.addEventListener("timeupdate", () => heard(true));
          audio.muted = true;
          audio.play();
        })"""
    )


async def test_a_press_too_short_for_a_voice_sends_nothing(visits: Visits, server: Served) -> None:
    context = await visits.context(permissions=["microphone"])
    speaker = await Guest.enter(await context.new_page(), server.url, "room-short", "Speaker")
    await speaker.page.locator("#record").evaluate(
        """(button) => {
          new MutationObserver((_, observer) => {
            observer.disconnect();
            button.click();
          }).observe(button, { attributeFilter: ["aria-pressed"] });
          button.click();
        }"""
    )
    await expect(speaker.page.get_by_text("Nothing was recorded.")).to_be_visible()
    await expect(speaker.page.locator("#recording")).to_be_hidden()
    await expect(speaker.messages).to_have_count(0)


async def test_where_the_operator_wants_no_files_there_is_no_way_to_send_one(enter: Enter, serving: Serving) -> None:
    guest = await enter("room-none", "Guest", url=serving(max_file=0).url)
    for button in ("#attach", "#record"):
        await expect(guest.page.locator(button)).to_be_hidden()
