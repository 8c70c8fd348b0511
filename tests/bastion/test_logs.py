"""The server's log: who a line belongs to, nothing forged, and no reader can make the bastion wait."""

import asyncio
import io
import json
import logging
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from bastion.audit import Event, EventType
from bastion.following import QUIET, follow
from bastion.logs import MOST_WAITING, about, set_up_logging
from tests.lab.process import wait_until

log = logging.getLogger("bastion.test")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _quiet_afterwards() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def flush() -> None:
    for handler in logging.getLogger().handlers:
        handler.flush()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    flush()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_each_line_is_an_object_that_says_what_it_belongs_to() -> None:
    set_up_logging(stream := io.StringIO(), worker=2)
    with about(connection="c1", identity="alice"):
        with about(session="s1"):
            log.warning("inner %s", 1)
        log.info("outer", extra={"facts": {"target": "web-1", "empty": ""}})
    log.info("nobody's")
    inner, outer, nobodys = lines(stream)
    assert inner.pop("time").endswith("Z")
    known = {"level": "warning", "logger": "bastion.test", "worker": 2}
    assert inner == {"message": "inner 1", "connection": "c1", "identity": "alice", "session": "s1", **known}
    assert {"connection", "identity", "target"} <= set(outer)
    assert not {"session", "empty"} & set(outer)
    assert "connection" not in nobodys


async def test_tasks_keep_what_they_belong_to_apart() -> None:
    set_up_logging(stream := io.StringIO())
    turn = asyncio.Event()

    async def work(name: str) -> None:
        with about(session=name):
            await turn.wait()
            log.info("%s", name)

    tasks = [asyncio.create_task(work(name)) for name in ("a", "b")]
    await asyncio.sleep(0)
    turn.set()
    await asyncio.gather(*tasks)
    assert [(line["session"], line["message"]) for line in lines(stream)] == [("a", "a"), ("b", "b")]


@pytest.mark.parametrize("evil", ['a\nb {"level": "error"}', "\r\x1b[2J", "\u2028\u202e", "\ud800"])
def test_texts_of_users_forge_no_line(evil: str) -> None:
    for stream in (io.StringIO(), Terminal()):
        set_up_logging(stream)
        with about(identity=evil):
            log.info("%s", evil, extra={"facts": {"target": evil}})
        flush()
        text = stream.getvalue()
        assert text.count("\n") == 1
        assert text.isascii()
        assert not set(map(chr, range(32))) & set(text[:-1])


def test_a_terminal_gets_lines_for_people() -> None:
    set_up_logging(stream := Terminal())
    log.error("disk full", extra={"facts": {"session": "s1"}})
    flush()
    follow(Event(EventType.SERVER_STOP, data={"pid": 7}))
    flush()
    assert stream.getvalue() == "bastion: error: disk full session=s1\nbastion: info: server.stop pid=7\n"


def test_a_reader_that_stands_still_makes_nobody_wait() -> None:
    reading, writing = os.pipe()
    heard = bytearray()

    def hear() -> None:
        while chunk := reader.read1(65536):
            heard.extend(chunk)

    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w") as stream:
        set_up_logging(stream)
        for number in range(MOST_WAITING + 3000):  # more than the queue and the pipe hold
            log.info("line %d of many, with some words to make it longer", number)
        hearing = threading.Thread(target=hear)
        hearing.start()

        def goes_on() -> bool:
            log.info("goes on")
            return b"goes on" in heard

        wait_until("lines that go on", goes_on)
        flush()
        logging.getLogger().handlers.clear()
        stream.close()
        hearing.join()
    assert b"lines of the log were lost" in heard
    assert b"line 0 of many" in heard


@pytest.mark.parametrize("event_type", list(EventType))
def test_events_are_lines_without_commands_paths_or_reasons(event_type: EventType) -> None:
    set_up_logging(stream := io.StringIO())
    data = {"target": "web-1", "rule": "wipe", "command": "secret", "path": "secret", "reason": "secret"}
    follow(Event(event_type, "alice", "s1", data))
    found = lines(stream)
    assert len(found) == (event_type not in QUIET)
    assert "secret" not in stream.getvalue()
    for line in found:
        shown = {key: line[key] for key in ("event", "identity", "session", "target", "rule")}
        assert shown == {
            "event": str(event_type), "identity": "alice", "session": "s1", "target": "web-1", "rule": "wipe",
        }  # fmt: skip
