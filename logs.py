"""How the log is written: as text or as JSON, a record a line on the standard error. No record holds user data: no
address, no name, nothing of what is said; whoever logs sees to that, and a test of a busy run holds them to it.
"""

import json
import logging
import time

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
OTHERS = ("tornado.access", "tornado.general", "asyncio")
"""Whose lesser records name addresses and requests."""


class JSONFormatter(logging.Formatter):
    """One object a line: `time` (RFC 3339, UTC), `level`, `logger`, `message`, and `exception` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)


def begin(form: str, level: str) -> None:
    """From now on the log is written in this form (`text` or `json`) and down to this level (`debug` to `error`)."""
    handler = logging.StreamHandler()
    handler.setFormatter(JSONFormatter() if form == "json" else logging.Formatter(TEXT))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in OTHERS:
        logging.getLogger(name).setLevel(logging.ERROR if name == "asyncio" else logging.CRITICAL)
