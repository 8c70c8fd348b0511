"""The server's own log: lines for people on a terminal, one JSON object a line elsewhere. Never the audit journal.

Texts users chose are escaped, so that no line can be forged. asyncssh logs commands in clear at INFO, so it is
raised to WARNING.
"""

import json
import logging
import time
from typing import TextIO


class _Formatter(logging.Formatter):
    """Common part: the message in one line of printable characters, a traceback escaped into it."""

    def text(self, record: logging.LogRecord) -> str:
        """Return message and traceback with everything but printable characters escaped."""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class _Plain(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"bastion: {record.levelname.lower()}: {self.text(record)}"


class _JSON(_Formatter):
    def __init__(self, worker: int) -> None:
        super().__init__()
        self._worker = {"worker": worker} if worker else {}

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.text(record),
            **self._worker,
        }
        return json.dumps(entry, ensure_ascii=False)


def set_up_logging(stream: TextIO, *, worker: int = 0) -> None:
    """Send log records to a stream, in the form that fits it; `worker` is this process's number among several."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Plain() if stream.isatty() else _JSON(worker))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in ("asyncssh", "httpx", "httpcore", "authlib", "alembic", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.WARNING)
