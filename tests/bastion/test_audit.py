"""The chain shows every change made to a journal, and holds whatever an event may carry."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion.audit import (
    GENESIS,
    MAX_DATA,
    MAX_ITEMS,
    MAX_TEXT,
    Event,
    EventType,
    Head,
    JournalEntry,
    Verifier,
    canonical,
    chain,
    clean,
    entry_hash,
    verify,
)

NOW = datetime(2026, 11, 22, 20, 49, tzinfo=UTC)

texts = st.text(st.characters(), max_size=40)  # control characters, bidi marks and lone surrogates too
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
events = st.builds(Event, st.sampled_from(EventType), texts, texts, st.dictionaries(texts, values, max_size=5))


def journal(count: int) -> list[JournalEntry]:
    """Return a right chain of so many entries."""
    entries: list[JournalEntry] = []
    prev = GENESIS
    for seq in range(1, count + 1):
        entry = chain(Event(EventType.LOGIN, f"user{seq}", "", {"n": seq}), seq, NOW, "node", prev)
        entries.append(entry)
        prev = entry.hash
    return entries


def rehashed(entry: JournalEntry, **changes: Any) -> JournalEntry:
    """Return the entry changed by somebody who knows how hashes are made."""
    changed = replace(entry, **changes)
    return replace(changed, hash=entry_hash(changed))


def test_an_entry_is_the_documented_hash() -> None:
    entry = chain(Event(EventType.LOGIN, "älice", "s1", {"b": 1, "a": ["x", None]}), 1, NOW, "n1", GENESIS)
    text = (
        '{"data":{"a":["x",null],"b":1},"identity":"älice","node":"n1","prev":"' + "0" * 64 + '","seq":1,'
        '"session":"s1","time":"2026-11-22T20:49:00.000Z","type":"login"}'
    )
    assert entry.hash == hashlib.sha256(text.encode()).hexdigest()


def test_a_right_chain_is_right() -> None:
    entries = journal(20)
    result = verify(entries, head=Head(20, entries[-1].hash))
    assert (result.ok, result.count, result.first_bad_seq, result.why) == (True, 20, None, "")
    assert result.head == Head(20, entries[-1].hash)


def test_an_empty_chain_is_right() -> None:
    assert verify([], head=Head()).ok
    assert verify([]).head == Head(0, GENESIS)


def forged(entries: list[JournalEntry]) -> list[JournalEntry]:
    """Return a right chain that tells other things."""
    anew: list[JournalEntry] = []
    for entry in entries:
        anew.append(rehashed(entry, identity="m", prev=anew[-1].hash if anew else GENESIS))
    return anew


TAMPERINGS: dict[str, tuple[Callable[[list[JournalEntry]], list[JournalEntry]], int, str]] = {
    "identity": (lambda e: [*e[:6], replace(e[6], identity="mallory"), *e[7:]], 7, "changed"),
    "data": (lambda e: [*e[:6], replace(e[6], data={"n": 8}), *e[7:]], 7, "changed"),
    "time": (lambda e: [*e[:6], replace(e[6], time="2026-11-22T20:49:00.001Z"), *e[7:]], 7, "changed"),
    "node": (lambda e: [*e[:6], replace(e[6], node="other"), *e[7:]], 7, "changed"),
    "type": (lambda e: [*e[:6], replace(e[6], type="login.failed"), *e[7:]], 7, "changed"),
    "session": (lambda e: [*e[:6], replace(e[6], session="s"), *e[7:]], 7, "changed"),
    "hash": (lambda e: [*e[:6], replace(e[6], hash="0" * 64), *e[7:]], 7, "changed"),
    "prev": (lambda e: [*e[:6], replace(e[6], prev=GENESIS), *e[7:]], 7, "does not follow"),
    "a value that is no JSON": (lambda e: [*e[:6], replace(e[6], data={"n": b"\xff"}), *e[7:]], 7, "changed"),
    "changed and hashed anew": (lambda e: [*e[:6], rehashed(e[6], identity="m"), *e[7:]], 8, "does not follow"),
    "first removed": (lambda e: e[1:], 1, "missing"),
    "middle removed": (lambda e: [*e[:6], *e[7:]], 7, "missing"),
    "middle removed and renumbered": (
        lambda e: [*e[:6], *(rehashed(x, seq=x.seq - 1) for x in e[7:])],
        7,
        "does not follow",
    ),
    "two swapped": (lambda e: [*e[:6], e[7], e[6], *e[8:]], 7, "missing"),
    "one twice": (lambda e: [*e[:7], e[6], *e[7:]], 7, "stands after"),
    "one put in": (
        lambda e: [*e[:6], rehashed(e[6], identity="m", prev=e[5].hash), *e[6:]],
        7,
        "stands after",
    ),
    "end cut off": (lambda e: e[:15], 16, "missing"),
    "all cut off": (lambda _: [], 1, "missing"),
    "last changed and hashed anew": (lambda e: [*e[:19], rehashed(e[19], identity="m")], 20, "replaced"),
    "all written anew": (forged, 20, "replaced"),
}


@pytest.mark.parametrize(("tamper", "seq", "why"), TAMPERINGS.values(), ids=TAMPERINGS)
def test_tampering_shows(tamper: Callable[[list[JournalEntry]], list[JournalEntry]], seq: int, why: str) -> None:
    entries = journal(20)
    result = verify(tamper(entries), head=Head(20, entries[-1].hash))
    assert (result.ok, result.first_bad_seq) == (False, seq)
    assert why in result.why
    assert f"entry {seq}" in result.why


def test_entries_after_the_expected_head_are_checked_too() -> None:
    entries = journal(20)
    head = Head(10, entries[9].hash)
    assert verify(entries, head=head).count == 20
    assert verify([*entries[:15], replace(entries[15], identity="m")], head=head).first_bad_seq == 16


def test_pages_are_checked_as_the_whole_is() -> None:
    entries = journal(20)
    verifier = Verifier()
    assert verifier.feed(entries[:7])
    assert verifier.feed(entries[7:])
    assert verifier.result() == verify(entries)
    assert not verifier.feed(entries[:1])
    assert not verifier.result().ok


@given(st.lists(events, max_size=8))
def test_any_event_is_kept_exactly_and_verifies(happened: list[Event]) -> None:
    prev, entries = GENESIS, []
    for seq, event in enumerate(happened, 1):
        entry = chain(event, seq, NOW, "n", prev)
        assert json.loads(canonical(entry.data)) == entry.data
        # as read back from a file
        entries.append(replace(entry, data=json.loads(canonical(entry.data))))
        prev = entry.hash
    assert verify(entries, head=Head(len(entries), prev)).ok


@given(events, st.data())
def test_any_changed_value_shows(event: Event, data: st.DataObject) -> None:
    entry = chain(event, 1, NOW, "n", GENESIS)
    other = clean(data.draw(events)).data
    changed = replace(entry, data=other)
    assert verify([changed]).ok == (canonical(other) == canonical(entry.data))


@given(events)
def test_cleaning_twice_changes_nothing(event: Event) -> None:
    assert clean(clean(event)) == clean(event)


def test_long_texts_say_what_they_were() -> None:
    text = "ä" * (MAX_TEXT + 1)
    kept = clean(Event(EventType.LOGIN, data={"command": text})).data["command"]
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert kept == text[:-1] + f"… [4097 characters, sha256 {digest}]"
    assert clean(Event(EventType.LOGIN, data={"command": text[:-1]})).data["command"] == text[:-1]


def test_many_items_say_how_many_they_were() -> None:
    data = clean(
        Event(EventType.LOGIN, data={"list": list(range(1000)), "object": {str(i): i for i in range(1000)}})
    ).data
    assert data["list"] == [*range(MAX_ITEMS), "… [1000 items]"]
    assert len(data["object"]) == MAX_ITEMS + 1
    assert data["object"]["…"] == "[1000 keys]"


def test_deep_data_becomes_text() -> None:
    deep: Any = "x"
    for _ in range(50):
        deep = [deep]
    kept = clean(Event(EventType.LOGIN, data={"deep": deep})).data["deep"]
    for _ in range(7):
        (kept,) = kept
    assert kept == "[" * 43 + '"x"' + "]" * 43


def test_the_whole_is_bounded() -> None:
    event = clean(Event(EventType.LOGIN, data={str(i): "x" * MAX_TEXT for i in range(MAX_ITEMS)}))
    assert list(event.data) == ["cut"]
    assert len(canonical(event.data)) < MAX_DATA


def test_what_no_database_holds_becomes_its_escape() -> None:
    event = clean(Event(EventType.LOGIN, "a\0b", "s\udcff", {"key\ud800": "\udcff\x1b\0"}))
    assert (event.identity, event.session) == ("a\\x00b", "s\\udcff")
    assert event.data == {"key\\ud800": "\\udcff\x1b\0"}


@pytest.mark.parametrize("value", [b"x", NOW, {1: "x"}, {"x"}, object()], ids=lambda value: type(value).__name__)
def test_what_is_no_json_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="the journal takes"):
        clean(Event(EventType.LOGIN, data={"value": value}))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_lacks_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        clean(Event(EventType.LOGIN, data={"value": value}))
