"""What every answer of this site carries: the security headers, and one error page; no page of its own.

Source: docs/security.md, "Headers". The policies are exactly those that the page and its worker need.
"""

import asyncio
import http
import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Any, cast

import tornado.web
from tornado.http1connection import HTTP1Connection
from tornado.locale import Locale

from handlers.assets import Assets
from handlers.languages import choose

logger = logging.getLogger(__name__)

LOCKED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

SCRIPT_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""A worker runs under the policy of its own script's response, and under none if that has none."""

SHELL_POLICY = LOCKED.replace("default-src 'none'", "default-src 'none'; connect-src 'self'")
"""The service worker asks for the site's own files and runs nothing but itself."""
ERROR_POLICY = f"{LOCKED}; style-src 'self'; img-src 'self'; manifest-src 'self'"
"""Of pages without a script."""


def page_policy(import_map_source: str) -> str:
    """The policy of pages: own scripts, and the one inline element that cannot be a file."""
    return (
        f"default-src 'none'; script-src 'self' {import_map_source}; style-src 'self'; img-src 'self' blob:; "
        "media-src blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types chatsite"
    )


SECURITY_HEADERS = {
    "Content-Security-Policy": LOCKED,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


_STATUSES = {status.value: status.phrase for status in http.HTTPStatus}


HSTS = f"max-age={2 * 365 * 86_400}"
"""Two years, and not for subdomains, which are not ours."""


class BaseHandler(tornado.web.RequestHandler):
    """Security headers on every answer, errors included, which are a page (or an empty body) without details.

    The application's setting `strict` says of a request whether its host is to be asked by https only from now on.
    """

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        strict = self.settings.get("strict")
        if strict is not None and strict(self.request):
            self.set_header("Strict-Transport-Security", HSTS)
        for name, value in SECURITY_HEADERS.items():
            self.set_header(name, value)

    def get_user_locale(self) -> Locale:
        return self._languages[choose(self._asked, self.request.headers.get("Accept-Language", ""), self._languages)]

    def get_template_namespace(self) -> dict[str, Any]:
        """What all pages need besides: which way they are read, and what keeps a chosen language on the next one."""
        asked = self._asked
        chosen = bool(asked) and choose(asked, "", self._languages) == self.locale.code
        return super().get_template_namespace() | {
            "direction": "rtl" if self.locale.rtl else "ltr",
            "query": f"?lang={self.locale.code}" if chosen else "",
        }

    @property
    def _languages(self) -> Mapping[str, Locale]:
        languages: Mapping[str, Locale] = self.settings["languages"]
        return languages

    @property
    def _asked(self) -> str:
        """A language in the address; whatever else may stand there is none."""
        return self.request.query_arguments.get("lang", [b""])[0].decode("ascii", "ignore")

    def compute_etag(self) -> None:
        """None: what is made for one request is kept by nobody."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.set_header("Content-Security-Policy", ERROR_POLICY)
        phrase = _STATUSES.get(status_code, "Error")
        assets: Assets = self.settings["assets"]
        self.render("error.html", status=status_code, reason=phrase, static=assets.url, integrity=assets.integrity)

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Tornado's own line would name the address and what was asked for; what is cancelled when the server stops is
        no bug."""
        if not isinstance(value, tornado.web.HTTPError | asyncio.CancelledError):
            logger.error("a request could not be answered", exc_info=value)


class LastHandler(BaseHandler):
    """Its answer is the last on its line, whatever the client would like; an error has no page."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.finish()

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> "asyncio.Future[None]":
        self.set_header("Connection", "close")
        line = cast(HTTP1Connection, self.request.connection)
        finished = super().finish(chunk)
        finished.add_done_callback(lambda _: line.close())
        return finished


class NotFoundHandler(BaseHandler):
    """Every address that is not one of ours."""

    def prepare(self) -> None:
        self.send_error(404)
