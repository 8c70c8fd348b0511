"""The server's own log: lines for people on a terminal, one JSON object a line elsewhere. Never the audit journal.

Each line says which connection, session and identity it belongs to: `about` binds these for everything that is logged
meanwhile, by the task it is used in and by the tasks that one starts; single lines add `extra={"facts": {...}}`. Texts
users chose are escaped, so that no line can be forged. asyncssh logs commands in clear at INFO, so it is raised to
WARNING. A reader of the log that stands still makes lines be dropped, and counted, but never makes the bastion wait.
"""

import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from queue import Empty, Full, Queue
from typing import TextIO

MOST_WAITING = 20_000  # lines
LAST_SECONDS = 2.0  # what is left at the end has so long to be written

_about: ContextVar[Mapping[str, str]] = ContextVar("about", default={})  # noqa: B039 - never changed in place


@contextmanager
def about(**facts: str) -> Iterator[None]:
    """Say of everything logged within what it belongs to; empty values are left out."""
    token = _about.set({**_about.get(), **facts})
    try:
        yield
    finally:
        _about.reset(token)


def printable(text: str) -> str:
    """Return the text in one line, with everything but printable characters escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class _Formatter(logging.Formatter):
    """Common part: the message in one line of printable characters, a traceback escaped into it."""

    def text(self, record: logging.LogRecord) -> str:
        """Return message and traceback with everything but printable characters escaped."""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return printable(text)

    def facts(self, record: logging.LogRecord) -> dict[str, object]:
        """Return what the line belongs to, and what it says beside its message."""
        found = {**_about.get(), **getattr(record, "facts", {})}
        return {key: value for key, value in found.items() if value not in ("", None)}


class _Plain(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        found = {key: str(value) for key, value in self.facts(record).items()}
        said = record.getMessage()  # which an event's name would only repeat
        facts = "".join(f" {key}={printable(value)}" for key, value in found.items() if value != said)
        return f"bastion: {record.levelname.lower()}: {self.text(record)}{facts}"


class _JSON(_Formatter):
    def __init__(self, worker: int) -> None:
        super().__init__()
        self._worker = {"worker": worker} if worker else {}

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry = {
            **self.facts(record),
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.text(record),
            **self._worker,
        }
        return json.dumps(entry)


class _Sink(logging.Handler):
    """Writes lines on a thread of its own; those a stalled reader leaves no room for are dropped and counted."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: Queue[str] = Queue(MOST_WAITING)
        self._dropped = 0
        self._idle = threading.Condition()
        threading.Thread(target=self._write, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a line; formatted here, where what it belongs to is known."""
        try:
            self._lines.put_nowait(self.format(record) + "\n")
        except Full:
            self._dropped += 1
        except Exception:  # noqa: BLE001 - a line that can't be formatted must not end what logged it
            self.handleError(record)

    def flush(self) -> None:
        """Wait until everything is written, for a bounded time."""
        with self._idle:
            self._idle.wait_for(lambda: not self._lines.unfinished_tasks, LAST_SECONDS)

    def _write(self) -> None:
        while True:
            batch = [self._lines.get()]
            try:
                while len(batch) < 100:
                    batch.append(self._lines.get_nowait())
            except Empty:
                pass
            self._write_batch(batch)
            for _ in batch:
                self._lines.task_done()
            with self._idle:
                self._idle.notify_all()

    def _write_batch(self, batch: list[str]) -> None:
        dropped, self._dropped = self._dropped, 0
        text = "".join(batch)
        if dropped:
            facts = {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING"}
            notice = logging.makeLogRecord({**facts, "msg": f"{dropped} lines of the log were lost"})
            text = self.format(notice) + "\n" + text
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # nobody reads any more
            self._dropped += dropped + len(batch)


def set_up_logging(stream: TextIO, *, worker: int = 0) -> None:
    """Send log records to a stream, in the form that fits it; `worker` is this process's number among several."""
    handler = _Sink(stream)
    handler.setFormatter(_Plain() if stream.isatty() else _JSON(worker))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in ("asyncssh", "httpx", "httpcore", "authlib", "alembic", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.WARNING)
