"""Announcements, to a webhook that really listens and to one that does not."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import pytest

from bastion.audit import Event, EventType
from bastion.config.schema import Address, Config, Notifier, Secret, ServerConfig, StoreConfig
from bastion.notify import THREADS, Notifications, wording

EVENT = Event(
    EventType.APPROVAL_REQUESTED,
    "alice",
    data={
        "approval": "k3v9x2mq",
        "rule": "prod-change",
        "target": "web-1",
        "login": "deploy",
        "command": "systemctl stop \x1b[2Jbilling\u202e",
        "approvers": ["sre"],
        "expires": "2026-11-22T21:00:00.000Z",
    },
)


def config(*notifiers: Notifier, port: int = 2222) -> Config:
    server = ServerConfig(listen=Address("127.0.0.1", port), names=("bastion.example.com",))
    return Config(Path("bastion.toml"), StoreConfig("", Path()), server, notifiers={n.name: n for n in notifiers})


@contextmanager
def webhook(status: int = 200) -> Iterator[tuple[str, "Queue[dict[str, Any]]"]]:
    """Return the Apprise URL of a server that keeps what is posted to it."""
    got: Queue[dict[str, Any]] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"json://127.0.0.1:{server.server_port}/", got
    finally:
        server.shutdown()
        server.server_close()


async def take(got: "Queue[dict[str, Any]]") -> dict[str, Any]:
    return await asyncio.to_thread(got.get, timeout=20)


async def test_the_approvers_are_told_with_the_exact_line_to_type() -> None:
    with webhook() as (url, got):
        notifications = Notifications(lambda: config(Notifier("chat", ("sre", "dba"), Secret(url))))
        await asyncio.to_thread(notifications.observe, EVENT)
        message = await take(got)
        await notifications.close()
    text = message["message"]
    assert "alice wants to run on deploy@web-1" in text
    assert "ssh -p 2222 bastion.example.com approvals approve k3v9x2mq" in text
    assert "systemctl stop \\x1b[2Jbilling\\u202e" in text
    assert message["title"] == "approval k3v9x2mq: alice on deploy@web-1"


async def test_others_are_not_told() -> None:
    with webhook() as (url, got), webhook() as (other, mine):
        notifiers = config(Notifier("dba", ("dba",), Secret(url)), Notifier("sre", ("sre",), Secret(other)))
        notifications = Notifications(lambda: notifiers)
        notifications.observe(EVENT)
        notifications.observe(replace(EVENT, type=EventType.APPROVAL_DECIDED))
        await take(mine)
        await notifications.close()
        assert got.empty()
        assert mine.empty()


async def test_a_dead_notifier_holds_up_nobody_and_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    dead = Notifier("dead", ("sre",), Secret("json://127.0.0.1:9/"))
    with webhook(500) as (broken, tries), webhook() as (url, got):
        all_three = config(dead, Notifier("broken", ("sre",), Secret(broken)), Notifier("chat", ("sre",), Secret(url)))
        notifications = Notifications(lambda: all_three, pauses=(0.0, 0.0))
        notifications.observe(EVENT)
        await take(got)
        await take(tries)
        await take(tries)
        while notifications._sending:
            await asyncio.wait(set(notifications._sending))
        await notifications.close()
    assert "notifier dead: given up after 2 tries" in caplog.text
    assert "notifier broken: given up after 2 tries" in caplog.text
    assert "json://" not in caplog.text


async def test_a_service_that_answers_for_ever_holds_up_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Its threads can't be ended, so there are few of them, and they do not keep the process."""
    requests, before = 3 * THREADS, set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as silent, webhook() as (url, got):
        hanging = Notifier("hanging", ("sre",), Secret(f"json://127.0.0.1:{silent.getsockname()[1]}/?cto=600&rto=600"))
        both = config(hanging, Notifier("chat", ("sre",), Secret(url)))
        notifications = Notifications(lambda: both, pauses=(0.0,), seconds=0.5)
        for _ in range(requests):
            notifications.observe(EVENT)
        for _ in range(requests):
            await take(got)
        while notifications._sending:
            await asyncio.wait(set(notifications._sending))
        left = [thread for thread in threading.enumerate() if thread not in before and "asyncio" not in thread.name]
        await notifications.close()
    assert [thread.name for thread in left].count("notify") == THREADS
    assert all(thread.daemon for thread in left)
    assert caplog.text.count("notifier hanging: given up") == requests


def test_long_commands_are_cut_and_the_standard_port_is_left_out() -> None:
    event = replace(EVENT, data={**EVENT.data, "command": "x" * 2000})
    _, text = wording(event, config(port=22))
    assert "x… (2000 characters)" in text
    assert len(text) < 1000
    assert "ssh bastion.example.com approvals approve" in text
