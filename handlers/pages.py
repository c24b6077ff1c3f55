"""The pages people open and the two small answers for machines; knows nothing of rooms and their contents."""

import functools
import json
import re
from dataclasses import dataclass

import bleach
import tornado.web

from handlers.assets import Assets
from handlers.base import (
    ERROR_POLICY,
    SCRIPT_POLICY,
    SECURITY_HEADERS,
    SHELL_POLICY,
    BaseHandler,
    LastHandler,
    page_policy,
)
from handlers.connections import Connections
from handlers.languages import NAMES

LABEL_TAGS = frozenset({"abbr", "b", "code", "em", "i", "small", "strong", "u"})
LABEL_ATTRIBUTES = {"abbr": ["title"]}
"""What the operator's labels may hold: a little emphasis and an explanation; nothing that loads or links."""

LABELS_KEPT = 200
"""More than there are, two in each language."""

HOST = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")
"""What may stand in the Host header of a request that is sent on."""
YEAR_SECONDS = 31_536_000


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What the pages are told: the filters' rules and labels, the longest text and the largest file (0: none)."""

    filter_punctuation: str
    filter_links: tuple[str, ...]
    label_filtered: str
    label_link: str
    max_text: int
    max_file: int


@functools.lru_cache(maxsize=LABELS_KEPT)
def clean_label(markup: str) -> str:
    """An operator's label as it may stand in a page: markup outside the short list is shown, not obeyed.

    Made once in each language: it takes as long as the rest of a page."""
    return bleach.clean(markup, tags=LABEL_TAGS, attributes=LABEL_ATTRIBUTES, strip_comments=True)


class PageHandler(BaseHandler):
    """A template with the facts that the page's script starts from."""

    template: str

    def initialize(self, assets: Assets, facts: PageFacts) -> None:
        self._assets = assets
        self._facts = facts

    def get(self) -> None:
        self.set_header("Content-Security-Policy", page_policy(self._assets.import_map_source()))
        words = f"words/{self.locale.code}.json"
        self.render(
            self.template,
            static=self._assets.url,
            integrity=self._assets.integrity,
            import_map=self._assets.import_map,
            words=self._assets.url(words) if words in self._assets.files else "",
            languages=[(code, NAMES.get(code, code)) for code in sorted(self._languages)],
            labels={
                "filtered": clean_label(self.locale.translate(self._facts.label_filtered)),
                "link": clean_label(self.locale.translate(self._facts.label_link)),
            },
            filter_punctuation=self._facts.filter_punctuation,
            filter_links=json.dumps(self._facts.filter_links),
            max_text=self._facts.max_text,
            max_file=self._facts.max_file,
        )


class LoginHandler(PageHandler):
    """Choose a room name and a username."""

    template = "login.html"


class RoomHandler(PageHandler):
    """The room. The page is the same for every room: which one it is, the server never learns."""

    template = "room.html"

    def get(self) -> None:
        policy = SECURITY_HEADERS["Permissions-Policy"]
        self.set_header("Permissions-Policy", policy.replace("microphone=()", "microphone=(self)"))
        super().get()


class HelpHandler(PageHandler):
    """How all of it is used, on one page."""

    template = "help.html"


class OfflineHandler(BaseHandler):
    """What the shell shows where it cannot reach this site."""

    def get(self) -> None:
        self.set_header("Content-Security-Policy", ERROR_POLICY)
        assets: Assets = self.settings["assets"]
        self.render("offline.html", static=assets.url, integrity=assets.integrity)


class ShellHandler(BaseHandler):
    """The script of the service worker, which keeps the shell in the browser. Its address is the same in each build:
    browsers look there for a new one. Source: Service Workers, section "Update"."""

    def initialize(self, script: str) -> None:
        self._script = script

    def get(self) -> None:
        self.set_header("Content-Type", "text/javascript")
        self.set_header("Content-Security-Policy", SHELL_POLICY)
        self.finish(self._script)


class SiteHandler(BaseHandler):
    """The site salt, which makes a guess at room names good for one site only, and which build the pages are of."""

    def initialize(self, answer: str) -> None:
        self._answer = answer

    def get(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(self._answer)


class HealthHandler(BaseHandler):
    """Whether this process answers; for machines."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish("ok\n")


class ReadyHandler(BaseHandler):
    """Whether this process takes new clients; for machines that choose where to send them."""

    def initialize(self, connections: Connections) -> None:
        self._connections = connections

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        if not self._connections.ready:
            self.set_status(503)
            self.set_header("Retry-After", "10")
        self.finish("ready\n" if self._connections.ready else "not ready\n")


class SecureHandler(LastHandler):
    """For a request by http that has reached the port for https: the same address there."""

    def prepare(self) -> None:
        if HOST.fullmatch(self.request.host):
            uri = self.request.uri or ""
            self.redirect(f"https://{self.request.host}{uri if uri.startswith('/') else '/'}", status=308)
        else:
            self.send_error(400)


class AssetHandler(BaseHandler, tornado.web.StaticFileHandler):
    """Static files. Their path holds the hash of their contents, so a browser may keep them for good."""

    def parse_url_path(self, url_path: str) -> str:
        """The path of a file that was there at the start: no other, however it is spelt, is looked for."""
        assets: Assets = self.settings["assets"]
        if url_path not in assets.files:
            raise tornado.web.HTTPError(404)
        return super().parse_url_path(url_path)

    async def get(self, path: str, include_body: bool = True) -> None:
        assets: Assets = self.settings["assets"]
        self.path = self.parse_url_path(path)
        small = assets.small(self.path) if self._takes_brotli() else None
        if small is None:
            await super().get(path, include_body)
            return
        self.absolute_path = self.get_absolute_path(self.root, self.path)
        self.set_header("Content-Type", self.get_content_type())
        self.set_header("Content-Encoding", "br")
        self.set_header("Content-Length", len(small))
        self.set_header("Vary", "Accept-Encoding")
        self.set_extra_headers(self.path)
        self.finish(small if include_body else None)

    def _takes_brotli(self) -> bool:
        """Whether the whole file may be sent so (RFC 9110, section 12.5.3); a part is one of the file itself."""
        accepted = self.request.headers.get("Accept-Encoding", "").replace(" ", "").split(",")
        return "br" in accepted and "Range" not in self.request.headers

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", f"public, max-age={YEAR_SECONDS}, immutable")
        if path.endswith(".js"):
            self.set_header("Content-Security-Policy", SCRIPT_POLICY)
