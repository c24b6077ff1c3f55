"""Every address of the site, over a loopback port: what it answers, and that its headers are exactly these."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Protocol

import brotli
import pytest
from tornado.httpclient import HTTPResponse

from handlers.assets import Assets
from handlers.connections import Connections
from handlers.pages import HealthHandler, clean_label
from tests.handlers.conftest import FILES, SALT, SECRET
from tests.websocket import Answer, request

LOCKED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
ERROR_PAGE = f"{LOCKED}; style-src 'self'; img-src 'self'; manifest-src 'self'"
SCRIPTS = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
PAGE = (
    "default-src 'none'; script-src 'self' 'sha256-{}'; style-src 'self'; img-src 'self' blob:; "
    "media-src blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types chatsite"
)
ALWAYS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
HTML = "text/html; charset=UTF-8"
FOREVER = "public, max-age=31536000, immutable"


class Client(Protocol):
    """tornado.httpclient.AsyncHTTPClient, as far as it is used here."""

    async def fetch(self, request: str, **options: object) -> HTTPResponse: ...


@dataclass
class Site:
    """The site over its port: `get` takes a path as it is and raises for no status."""

    client: Client
    url: str
    port: int
    build: str

    async def get(self, path: str, method: str = "GET", **options: object) -> HTTPResponse:
        body = "" if method in {"POST", "PUT", "PATCH"} else None
        return await self.client.fetch(
            self.url + path, method=method, body=body, raise_error=False, follow_redirects=False, **options
        )

    async def raw(self, path: str, method: str = "GET") -> Answer:
        return await request(self.port, f"{method} {path} HTTP/1.1\nHost: localhost\nConnection: close\n\n")


@pytest.fixture
def site(http_client: Client, base_url: str, http_port: int, assets: Assets) -> Site:
    return Site(http_client, base_url, http_port, assets.build)


@dataclass
class Element:
    """One start tag and the text between it and the next tag."""

    tag: str
    attributes: dict[str, str | None]
    text: str = ""


@dataclass
class Page(HTMLParser):
    """The elements of a page, in order."""

    html: str
    elements: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._text_of: Element | None = None
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, dict(attrs)))

        self._text_of = self.elements[-1]

    def handle_endtag(self, tag: str) -> None:
        self._text_of = None

    def handle_data(self, data: str) -> None:
        if self._text_of is not None:
            self._text_of.text += data

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]


def headers_of(response: HTTPResponse) -> dict[str, str]:
    """All of them but the date, the size and what the client asked for: that the connection ends."""
    usual = {"Date", "Content-Length", "Connection"}
    return {name: value for name, value in response.headers.get_all() if name not in usual}


def expected(policy: str, content_type: str = HTML, cache: str = "no-store") -> dict[str, str]:
    return {"Content-Security-Policy": policy, "Content-Type": content_type, "Cache-Control": cache} | ALWAYS


def import_map_of(page: Page) -> str:
    (element,) = [script for script in page.all("script") if script.attributes.get("type") == "importmap"]
    return element.text


def sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


# -- pages


@pytest.mark.parametrize("path", ["/", "/room", "/help"])
@pytest.mark.gen_test
async def test_a_page_has_exactly_these_headers_and_its_import_map_is_the_one_they_allow(site: Site, path: str) -> None:
    response = await site.get(path)
    assert response.code == 200
    import_map = import_map_of(Page(response.body.decode()))
    policies = ALWAYS["Permissions-Policy"]
    if path == "/room":  # where voice messages are spoken
        policies = policies.replace("microphone=()", "microphone=(self)")
    assert headers_of(response) == expected(PAGE.format(sha256(import_map))) | {"Permissions-Policy": policies}


@pytest.mark.parametrize("path", ["/", "/room", "/help", "/offline", "/nowhere"])
@pytest.mark.gen_test
async def test_a_page_holds_nothing_that_its_policy_forbids(site: Site, path: str) -> None:
    page = Page((await site.get(path)).body.decode())
    assert page.all("style") == []
    assert page.all("iframe") == page.all("form") == page.all("base") == []
    for script in page.all("script"):
        assert script.attributes.get("type") in {"module", "importmap"}
        assert (script.attributes.get("src") is None) == (script.attributes["type"] == "importmap")
    for element in page.elements:
        assert "style" not in element.attributes
        assert not [name for name in element.attributes if name.startswith("on")]


@pytest.mark.parametrize("path", ["/", "/room", "/help", "/offline", "/nowhere"])
@pytest.mark.gen_test
async def test_a_page_loads_nothing_but_files_under_the_builds_own_path(site: Site, path: str) -> None:
    page = Page((await site.get(path)).body.decode())
    sources = [element.attributes["src"] for element in page.elements if "src" in element.attributes]
    links = [link.attributes["href"] for link in page.all("link") if link.attributes["rel"] != "canonical"]
    assert links
    assert all(str(source).startswith(f"/static/{site.build}/") for source in (*sources, *links))


@pytest.mark.parametrize(
    ("path", "files"),
    [
        ("/", ["js/login.js", "css/site.css"]),
        ("/room", ["js/room.js", "css/site.css", "css/room.css"]),
        ("/help", ["js/help.js", "css/site.css"]),
    ],
)
@pytest.mark.gen_test
async def test_entrance_and_styles_are_held_to_their_hashes(site: Site, path: str, files: list[str]) -> None:
    page = Page((await site.get(path)).body.decode())
    scripts = [element for element in page.all("script") if "src" in element.attributes]
    styles = [link for link in page.all("link") if link.attributes["rel"] == "stylesheet"]
    for element, name in zip([*scripts, *styles], files, strict=True):
        digest = base64.b64encode(hashlib.sha384(FILES[name].encode()).digest()).decode()
        assert element.attributes["integrity"] == f"sha384-{digest}"


@pytest.mark.gen_test
async def test_the_import_map_names_every_script_under_the_builds_own_path_with_its_hash(site: Site) -> None:
    import_map = json.loads(import_map_of(Page((await site.get("/room")).body.decode())))
    digest = {name: base64.b64encode(hashlib.sha384(text.encode()).digest()).decode() for name, text in FILES.items()}
    assert import_map == {
        "imports": {"socket.io-client": f"/static/{site.build}/vendor/socket.io.esm.min.js"},
        "integrity": {
            f"/static/{site.build}/js/help.js": f"sha384-{digest['js/help.js']}",
            f"/static/{site.build}/js/login.js": f"sha384-{digest['js/login.js']}",
            f"/static/{site.build}/js/room.js": f"sha384-{digest['js/room.js']}",
            f"/static/{site.build}/js/shell-worker.js": f"sha384-{digest['js/shell-worker.js']}",
            f"/static/{site.build}/vendor/emoji.js": f"sha384-{digest['vendor/emoji.js']}",
            f"/static/{site.build}/vendor/socket.io.esm.min.js": f"sha384-{digest['vendor/socket.io.esm.min.js']}",
        },
    }


@pytest.mark.gen_test
async def test_the_room_page_tells_its_script_the_facts_and_escapes_them(site: Site) -> None:
    (body,) = Page((await site.get("/room")).body.decode()).all("body")
    assert body.attributes["data-page"] == "room"
    assert body.attributes["data-filter-punctuation"] == "!?&\"'<>"
    assert json.loads(str(body.attributes["data-filter-links"])) == ["://", 'w"w.']
    assert body.attributes["data-max-text"] == "10000"


@pytest.mark.gen_test
async def test_the_operators_labels_are_bleached(site: Site) -> None:
    html = (await site.get("/room")).body.decode()
    assert '<template id="label-filtered"><em>filtered</em>&lt;script&gt;alert(1)&lt;/script&gt;</template>' in html, (
        "what may not stand there is shown, not obeyed"
    )
    (template,) = re.findall(r'<template id="label-link">(.*?)</template>', html)
    assert "<a" not in template
    assert "<b>link</b>" in template


@pytest.mark.parametrize(
    "markup",
    [
        "<img src=x onerror=alert(1)>",
        "<svg/onload=x>",
        "</template><script>x</script>",
        "<b><!-- --!> <script>x",
        "<a>",
    ],
)
def test_a_label_can_neither_load_nor_run_nor_leave_its_place(markup: str) -> None:
    cleaned = clean_label(markup)
    assert not re.search(r"<(?!/?(?:b|em)>)", cleaned), cleaned


# -- answers for machines


@pytest.mark.gen_test
async def test_the_site_tells_its_salt(site: Site) -> None:
    response = await site.get("/site.json")
    told = {"v": 1, "salt": "AAECAwQFBgcICQoLDA0ODw", "build": site.build}
    assert (response.code, json.loads(response.body)) == (200, told)
    assert base64.urlsafe_b64decode("AAECAwQFBgcICQoLDA0ODw==") == SALT
    assert headers_of(response) == expected(LOCKED, "application/json")


@pytest.mark.gen_test
async def test_the_service_worker_is_told_which_files_to_keep_and_may_do_no_more_than_fetch_them(site: Site) -> None:
    response = await site.get("/shell.js")
    policy = LOCKED.replace("default-src 'none'", "default-src 'none'; connect-src 'self'")
    assert headers_of(response) == expected(policy, "text/javascript")
    first, rest = response.body.decode().split("\n", 1)
    kept = ["css/room.css", "css/site.css", "img/icon.svg", "js/help.js", "js/login.js", "js/room.js"]
    files = [f"/static/{site.build}/{name}" for name in (*kept, "vendor/socket.io.esm.min.js")]
    told = json.loads(first.removeprefix("globalThis.SHELL = ").removesuffix(";"))
    assert told == {"build": site.build, "offline": "/offline", "files": files}
    assert rest == FILES["js/shell-worker.js"]


@pytest.mark.gen_test
async def test_the_page_for_whoever_is_offline_needs_no_script(site: Site) -> None:
    response = await site.get("/offline")
    assert response.code == 200
    assert headers_of(response) == expected(f"{LOCKED}; style-src 'self'; img-src 'self'; manifest-src 'self'")
    assert Page(response.body.decode()).all("script") == []


@pytest.mark.gen_test
async def test_the_site_says_that_it_is_well(site: Site) -> None:
    response = await site.get("/healthz")
    assert (response.code, response.body) == (200, b"ok\n")
    assert headers_of(response) == expected(LOCKED, "text/plain; charset=UTF-8")


@pytest.mark.gen_test
async def test_the_site_says_whether_it_takes_new_clients(site: Site, connections: Connections) -> None:
    response = await site.get("/readyz")
    assert (response.code, response.body) == (200, b"ready\n")
    assert headers_of(response) == expected(LOCKED, "text/plain; charset=UTF-8")
    connections.drain(0, lambda: None)
    response = await site.get("/readyz")
    assert (response.code, response.body, response.headers["Retry-After"]) == (503, b"not ready\n", "10")
    assert (await site.get("/healthz")).code == 200


# -- files


@pytest.mark.parametrize(
    ("name", "content_type", "policy"),
    [
        ("js/room.js", "text/javascript", SCRIPTS),
        ("vendor/socket.io.esm.min.js", "text/javascript", SCRIPTS),
        ("css/site.css", "text/css", LOCKED),
        ("img/icon.svg", "image/svg+xml", LOCKED),
        ("vendor/imports.json", "application/json", LOCKED),
    ],
)
@pytest.mark.gen_test
async def test_a_file_may_be_kept_for_good_and_a_script_has_a_policy(
    site: Site, name: str, content_type: str, policy: str
) -> None:
    response = await site.get(f"/static/{site.build}/{name}")
    assert (response.code, response.body.decode()) == (200, FILES[name])
    headers = headers_of(response)
    assert headers.pop("Last-Modified")
    assert headers.pop("Accept-Ranges") == "bytes"
    assert headers == expected(policy, content_type, FOREVER)


@pytest.mark.gen_test
async def test_a_file_that_has_not_changed_is_not_sent_again(site: Site) -> None:
    path = f"/static/{site.build}/js/room.js"
    known = (await site.get(path)).headers["Last-Modified"]
    response = await site.get(path, headers={"If-Modified-Since": known})
    assert (response.code, response.body) == (304, b"")
    assert response.headers["Cache-Control"] == FOREVER
    assert response.headers["Content-Security-Policy"] == SCRIPTS


@pytest.mark.gen_test
async def test_texts_come_in_brotli_to_whoever_takes_it(site: Site) -> None:
    path = f"/static/{site.build}/js/room.js"
    plain = await site.get(path)
    for accepted in ("br", "gzip, deflate, br", "gzip,br , zstd"):
        response = await site.get(path, decompress_response=False, headers={"Accept-Encoding": accepted})
        assert response.headers["Content-Encoding"] == "br"
        assert response.headers["Vary"] == "Accept-Encoding"
        assert brotli.decompress(response.body) == plain.body
        for name in ("Cache-Control", "Content-Type", "Content-Security-Policy"):
            assert response.headers[name] == plain.headers[name]
    others = (
        {"Accept-Encoding": "gzip"},
        {"Accept-Encoding": "br;q=0"},
        {"Accept-Encoding": "br", "Range": "bytes=0-3"},
    )
    for headers in others:
        response = await site.get(path, decompress_response=False, headers=headers)
        assert response.headers.get("Content-Encoding") != "br"
    assert (await site.get("/static/0000000000000000/js/room.js", headers={"Accept-Encoding": "br"})).code == 404


@pytest.mark.gen_test
async def test_a_file_is_found_under_the_builds_hash_and_nowhere_else(site: Site) -> None:
    elsewhere = ("/static/js/room.js", "/static/0000000000000000/js/room.js", "/js/room.js", "/vendor/io.js")
    for path in (*elsewhere, "/static", "/static/", "/room/", "/index.html", "/socket.io", "/socket.io/socket.io.js"):
        assert (await site.get(path)).code == 404, path


@pytest.mark.parametrize(
    "path",
    [
        *("../secret.txt", "js/../../secret.txt", "%2e%2e/secret.txt", "..%2fsecret.txt", "%2e%2e%2fsecret.txt"),
        *("..%5csecret.txt", "..\\secret.txt", "....//secret.txt", "//secret.txt", "/etc/passwd", "%2fetc%2fpasswd"),
        *("../static-secret.txt", "js/room.js/../../../secret.txt", "..%00/secret.txt", "js/room.js%00.css", "%00"),
        *("", ".", "..", "js", "js/", "nothing.js", "js/room.js/", "JS/room.js", "%252e%252e/secret.txt", "~", "*"),
    ],
)
@pytest.mark.gen_test
async def test_no_path_leads_out_of_the_folder_or_lists_it(site: Site, path: str) -> None:
    answer = await site.raw(f"/static/{site.build}/{path}")
    assert answer.status in {403, 404}
    assert SECRET not in answer.body.decode()
    assert "root:" not in answer.body.decode()
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"] == ERROR_PAGE
    assert "room.js" not in answer.body.decode()


# -- errors


@pytest.mark.parametrize(
    "path",
    ["/nowhere", "/room/nowhere", "/index.php", "/.git/config", "/favicon.ico", "/robots.txt"],
)
@pytest.mark.gen_test
async def test_an_unknown_address_has_a_page_that_says_so(site: Site, path: str) -> None:
    response = await site.get(path)
    html = response.body.decode()
    assert response.code == 404
    assert headers_of(response) == expected(ERROR_PAGE)
    assert "<title>404 Not Found" in html
    assert path.strip("/") not in html, "an error page repeats nothing that was asked for"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/room", "/site.json", "/healthz", "/readyz"])
@pytest.mark.gen_test
async def test_a_method_that_does_nothing_here_has_a_page_that_says_so(site: Site, path: str, method: str) -> None:
    response = await site.get(path, method)
    assert response.code == 405
    assert headers_of(response) == expected(ERROR_PAGE)
    assert "<title>405 Method Not Allowed" in response.body.decode()


@pytest.mark.parametrize("path", ["/%ff", "/static/{}/%ff", "/static/{}/js/%c3%28.js"])
@pytest.mark.gen_test
async def test_an_address_that_is_no_text_is_refused(site: Site, path: str) -> None:
    answer = await site.raw(path.format(site.build))
    assert answer.status in {400, 404}
    assert answer.headers["content-security-policy"] == ERROR_PAGE


@pytest.mark.gen_test
async def test_a_bug_has_a_page_without_details_and_a_line_in_the_log(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_handler: HealthHandler) -> None:
        raise LookupError("the details")

    monkeypatch.setattr(HealthHandler, "get", fail)
    response = await site.get("/healthz?name=alice")
    assert response.code == 500
    assert headers_of(response) == expected(ERROR_PAGE)
    assert "details" not in response.body.decode()
    (record,) = caplog.records
    assert (record.levelname, record.message) == ("ERROR", "a request could not be answered")
    assert "alice" not in caplog.text
    assert "127.0.0.1" not in caplog.text


@pytest.mark.parametrize("path", ["/", "/nowhere", "/site.json", "/healthz", "/readyz", "/socket.io/", "/%ff"])
@pytest.mark.gen_test
async def test_no_answer_names_the_software_or_sets_a_cookie(site: Site, path: str) -> None:
    answer = await site.raw(path)
    assert {"server", "set-cookie", "etag", "x-powered-by"} & set(answer.headers) == set()


@pytest.mark.gen_test
async def test_nothing_of_a_request_is_logged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        for path in ("/?name=alice", "/alice", "/static/alice", "/socket.io/?alice=1"):
            await site.get(path)
        await site.get("/", "POST")
    assert "alice" not in caplog.text
    assert "127.0.0.1" not in caplog.text
