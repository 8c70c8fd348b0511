import base64
import hashlib
import html
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pexpect
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.asciicast import Header
from recorder.errors import RecordingError
from recorder.export import FORMATS, export
from recorder.reader import Recording
from tests.recorder.made import Made, make

ASCIINEMA = str(Path(sys.executable).with_name("asciinema"))
UTF8 = os.environ | {"LC_ALL": "C.UTF-8", "TERM": "xterm"}

HEADER = Header(100, 30, 1_795_000_000, "bash -l", "a title", "xterm", {"session": "s1", "target": "web-1"})
EVENTS: Made = [
    (0.5, "o", b"\x1b]0;title\x07$ "),
    (1.0, "i", b"ls\r"),
    (1.25, "o", "zażółć\r\n".encode()),
    (2.0, "r", b"120x40"),
    (2.5, "o", b"\xff\x00\x1b[6nx"),
    (3.0, "m", b"approved"),
    (4.0, "e", b"stderr\r\n"),
]


def exported(recording: Recording, form: str) -> str:
    return b"".join(export(recording, form)).decode()


def test_formats() -> None:
    assert FORMATS == ("cast", "text", "json", "html")
    with pytest.raises(RecordingError, match=r"no export format x\\x1b; choose one of cast, text, json, html"):
        export(make([]), "x\x1b")


def test_cast_is_plain_asciicast() -> None:
    first, *events = exported(make(EVENTS, header=HEADER), "cast").splitlines()
    assert json.loads(first) == {
        "version": 2,
        "width": 100,
        "height": 30,
        "timestamp": 1_795_000_000,
        "env": {"TERM": "xterm"},
        "command": "bash -l",
        "title": "a title",
    }
    assert [json.loads(line) for line in events] == [
        [0.5, "o", "$ "],
        [1.0, "i", "ls\r"],
        [1.25, "o", "zażółć\r\n"],
        [2.0, "r", "120x40"],
        [2.5, "o", "\ufffdx"],
        [3.0, "m", "approved"],
        [4.0, "o", "stderr\r\n"],
        [4.0, "m", "exit 0"],
    ]


def test_cast_without_terminal_returns_at_line_ends() -> None:
    text = exported(make([(1.0, "o", b"one\ntwo\n")], header=Header()), "cast")
    assert json.loads(text.splitlines()[1]) == [1.0, "o", "one\r\ntwo\r\n"]


def test_the_stock_asciinema_prints_an_exported_cast(tmp_path: Path) -> None:
    path = tmp_path / "one.cast"
    path.write_text(exported(make(EVENTS, header=HEADER), "cast"))
    done = subprocess.run(
        [ASCIINEMA, "cat", str(path)], capture_output=True, check=True, env=UTF8, start_new_session=True
    )
    assert done.stdout.decode() == "$ zażółć\r\n\ufffdxstderr\r\n"


def test_the_stock_asciinema_plays_an_exported_cast(tmp_path: Path) -> None:
    path = tmp_path / "one.cast"
    path.write_text(exported(make(EVENTS, header=HEADER), "cast"))
    child = pexpect.spawn(ASCIINEMA, ["play", "-s", "50", str(path)], env=UTF8, timeout=30, encoding="utf-8")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert child.before == "$ zażółć\r\n\ufffdxstderr\r\n"


def test_the_stock_asciinema_prints_a_recording_as_it_is(tmp_path: Path) -> None:
    """Codes of our own must not disturb stock players."""
    path = tmp_path / "one.cast"
    made = make(EVENTS, header=HEADER)
    with made._open() as stream:
        path.write_bytes(stream.read())
    done = subprocess.run(
        [ASCIINEMA, "cat", str(path)], capture_output=True, check=True, env=UTF8, start_new_session=True
    )
    assert done.stdout.decode() == "\x1b]0;title\x07$ zażółć\r\n"


def test_text() -> None:
    assert exported(make(EVENTS, header=HEADER), "text") == "$ zażółć\nstderr\n\ufffdx\n"


def test_json_keeps_everything() -> None:
    made = json.loads(exported(make(EVENTS, header=HEADER), "json"))
    assert made["header"] == {
        "width": 100,
        "height": 30,
        "started": "2026-11-18T11:06:40Z",
        "command": "bash -l",
        "title": "a title",
        "term": "xterm",
        "bastion": {"session": "s1", "target": "web-1"},
        "duration": 4.0,
        "ended": True,
        "exit_status": "0",
    }
    assert made["events"] == [
        {"time": 0.5, "type": "stdout", "text": "\x1b]0;title\x07$ "},
        {"time": 1.0, "type": "stdin", "text": "ls\r"},
        {"time": 1.25, "type": "stdout", "text": "zażółć\r\n"},
        {"time": 2.0, "type": "resize", "columns": 120, "rows": 40},
        {"time": 2.5, "type": "stdout", "base64": base64.b64encode(b"\xff\x00\x1b[6nx").decode()},
        {"time": 3.0, "type": "marker", "text": "approved"},
        {"time": 4.0, "type": "stderr", "text": "stderr\r\n"},
        {"time": 4.0, "type": "marker", "text": "exit 0"},
    ]


@given(st.lists(st.tuples(st.sampled_from("oei"), st.binary(max_size=10))))
def test_json_loses_no_byte(chunks: list[tuple[str, bytes]]) -> None:
    names = {"o": "stdout", "e": "stderr", "i": "stdin"}
    made = json.loads(exported(make([(1.0, code, data) for code, data in chunks]), "json"))
    for code, name in names.items():
        got = [event for event in made["events"] if event["type"] == name]
        data = b"".join(
            event["text"].encode() if "text" in event else base64.b64decode(event["base64"]) for event in got
        )
        assert data == b"".join(data for other, data in chunks if other == code)


@pytest.mark.parametrize("form", FORMATS)
def test_a_cut_off_and_an_empty_recording(form: str) -> None:
    assert exported(make(EVENTS, header=HEADER, closed=False), form)
    assert exported(make([], closed=False), form) is not None


def test_a_cut_off_recording_says_so() -> None:
    made = make(EVENTS, header=HEADER, closed=False)
    assert json.loads(exported(made, "cast").splitlines()[-1]) == [4.0, "m", "cut off"]
    assert json.loads(exported(made, "json"))["header"]["ended"] is False
    assert "<dt>ended</dt><dd>cut off</dd>" in exported(made, "html")


class Page(HTMLParser):
    """What a browser makes of the page's markup."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag + str(dict(attrs).get("type") or "")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[self._inside] = self.texts.get(self._inside, "") + data

    @property
    def events(self) -> Any:
        return json.loads(self.texts["scriptapplication/json"])


EVIL = "</script><script>alert(1)</script><!--<img src=x onerror=alert(1)>\"' @facts@ @script@ & \u2028"


def test_html_holds_the_events_and_the_facts() -> None:
    page = Page(exported(make(EVENTS, header=HEADER), "html"))
    assert page.events == [
        [100, 30],
        [0.5, "$ "],
        [1.25, "zażółć\r\n"],
        [2.0, 120, 40],
        [2.5, "\ufffdx"],
        [4.0, "stderr\r\n"],
    ]
    assert page.texts["title"] == "a title"
    assert page.texts["dd"] == "s1web-1bash -l2026-11-18T11:06:40Z4.0 s0"


def test_html_escapes_whatever_a_session_holds() -> None:
    header = Header(80, 24, 0, EVIL, EVIL, "xterm", {EVIL: EVIL})
    plain = Page(exported(make([(1.0, "o", b"x")], header=Header(80, 24, 0, "c", "t", "xterm", {"k": "v"})), "html"))
    evil_text = exported(make([(1.0, "o", EVIL.encode())], header=header), "html")
    evil = Page(evil_text)
    assert evil.tags[: len(plain.tags)] == plain.tags  # the same elements and attributes, scripts and policy included
    assert len(evil.tags) == len(plain.tags)
    assert evil.events[1] == [1.0, EVIL]
    assert html.unescape(re.findall("<title>(.*?)</title>", evil_text)[0]) == EVIL.replace("\u2028", "\\u2028")


def test_html_loads_nothing_and_allows_its_own_script_and_style_alone() -> None:
    text = exported(make(EVENTS, header=HEADER), "html")
    page = Page(text)
    (policy,) = [attributes["content"] for tag, attributes in page.tags if attributes.get("http-equiv")]
    hashes = {
        tag: base64.b64encode(hashlib.sha256(page.texts[tag].encode()).digest()).decode() for tag in ("script", "style")
    }
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{hashes['script']}'; style-src 'sha256-{hashes['style']}'; "
        "base-uri 'none'; form-action 'none'"
    )
    for tag, attributes in page.tags:
        assert not {"src", "href", "style", "action"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
        assert tag not in {"link", "iframe", "object", "embed", "base", "form", "img"}
    assert not re.search(r"https?://|//[a-z]+\.|\burl\(|@import|\beval\b|innerHTML|\bfetch\(|XMLHttp|WebSocket", text)
