import json
import math
from collections import defaultdict
from json.encoder import encode_basestring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.asciicast import (
    LINE_MAX,
    PIECE_MAX,
    STREAMS,
    Code,
    Encoder,
    Event,
    Header,
    _quote,
    decode_event,
    decode_header,
    encode_header,
)
from recorder.errors import RecordingError

# Pieces of UTF-8, of broken UTF-8 and of plain bytes: cut anywhere, they exercise every way a character can be torn.
MESSY = st.lists(
    st.one_of(
        st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.binary(max_size=20),
        st.sampled_from(
            [b"\xf0\x9f", b"\xe2\x82\xac", b"\xc3", b"\x00" * 100, "\u2028\u2029".encode(), b"\r\n\x1b[0m"]
        ),
    ),
    max_size=20,
)


def decode(lines: list[bytes]) -> list[Event]:
    events = [decode_event(line) for line in lines]
    return [event for event in events if event is not None]


@given(st.lists(st.tuples(st.sampled_from(STREAMS), st.binary(max_size=30) | st.sampled_from([b"\xe2", b"\x82\xac"]))))
def test_bytes_read_back_are_the_bytes_recorded(chunks: list[tuple[Code, bytes]]) -> None:
    encoder = Encoder()
    lines: list[bytes] = []
    wanted: dict[str, bytes] = defaultdict(bytes)
    for number, (code, data) in enumerate(chunks):
        lines += encoder.stream(code, data, number)
        wanted[code] += data
    lines += encoder.end(None, len(chunks))
    got: dict[str, bytes] = defaultdict(bytes)
    for event in decode(lines)[:-1]:
        got[event.code] += event.data
    assert {code: got[code] for code in STREAMS} == {code: wanted[code] for code in STREAMS}
    assert encoder.events == len(lines)


@given(MESSY)
def test_any_split_of_a_stream_is_lossless_and_keeps_back_three_bytes_at_most(chunks: list[bytes]) -> None:
    encoder = Encoder()
    lines: list[bytes] = []
    given_bytes = 0
    for number, data in enumerate(chunks):
        lines += encoder.stream(Code.OUTPUT, data, number)
        given_bytes += len(data)
        assert given_bytes - sum(len(event.data) for event in decode(lines)) <= 3
    lines += encoder.end("0", len(chunks))
    assert b"".join(event.data for event in decode(lines)[:-1]) == b"".join(chunks)


@given(st.text(), st.integers(1, 5))
def test_text_stays_text_however_it_is_cut(text: str, size: int) -> None:
    data = text.encode()
    encoder = Encoder()
    lines = [
        line for at in range(0, len(data), size) for line in encoder.stream(Code.OUTPUT, data[at : at + size], 0.0)
    ]
    lines += list(encoder.end(None, 0.0))
    assert all(json.loads(line)[1] in {"o", "m"} for line in lines)
    assert "".join(json.loads(line)[2] for line in lines[:-1]) == text


@given(st.text(alphabet=st.characters(min_codepoint=32, exclude_categories=["Cs"]) | st.sampled_from('\r\n\t\x1b"\\')))
def test_the_fast_quoting_equals_the_standard_one(text: str) -> None:
    assert _quote(text.encode()) == encode_basestring(text).encode()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"plain", "o"),
        ("zażółć \u2028 日本".encode(), "o"),
        (b"\x03", "o"),
        (b"bell \x07 and \x00", "o"),
        (b"\xff\xfe", "ob"),
        (b"latin \xe9t\xe9", "ob"),
        (b"\x00" * 4096, "ob"),
    ],
)
def test_codes_on_disk(data: bytes, code: str) -> None:
    (line,) = Encoder().stream(Code.OUTPUT, data, 1.5)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line)[:2] == [1.5, code]
    assert decode_event(line) == Event(1.5, Code.OUTPUT, data)


@pytest.mark.parametrize("unit", [b"a", b'"', b"\x01 aaaaaaa", "日".encode(), "😀".encode(), b"\xff", b"\x01"])
def test_big_chunks_are_split_into_lines_within_the_limit(unit: bytes) -> None:
    data = unit * (3 * PIECE_MAX // len(unit) + 7)
    encoder = Encoder()
    lines = [*encoder.stream(Code.OUTPUT, data, 0.0), *encoder.end(None, 0.0)]
    assert max(map(len, lines)) <= LINE_MAX
    assert b"".join(event.data for event in decode(lines)[:-1]) == data


def test_a_line_of_nothing_but_escapes_stays_within_the_limit() -> None:
    data = b"\x1b" * PIECE_MAX
    (line,) = Encoder().stream(Code.OUTPUT, data, 0.0)
    assert len(line) <= LINE_MAX
    assert decode([line])[0].data == data


def test_time_never_goes_back_and_is_always_a_number() -> None:
    encoder = Encoder()
    times = [1.0, 0.5, math.nan, math.inf, -math.inf, -1.0, 1.25, 1.0000004]
    lines = [line for time in times for line in encoder.stream(Code.OUTPUT, b"x", time)]
    assert [event.time for event in decode(lines)] == [1, 1, 1, 1, 1, 1, 1.25, 1.25]
    assert lines[0] == b'[1.000000, "o", "x"]\n'


@pytest.mark.parametrize(
    ("asked", "stored"),
    [((100, 30), (100, 30)), ((0, 0), (80, 24)), ((0, 50), (80, 50)), ((1 << 40, 5), (9999, 5)), ((-3, 5), (80, 5))],
)
def test_resize(asked: tuple[int, int], stored: tuple[int, int]) -> None:
    event = decode_event(Encoder().resize(*asked, 1.0))
    assert event is not None
    assert event.size == stored


def test_the_end_cannot_be_imitated_by_a_marker() -> None:
    encoder = Encoder()
    for text in ("exit", "exit 0", "exit status"):
        event = decode_event(encoder.marker(text, 1.0))
        assert event is not None
        assert not event.closes
        assert event.text == f"note: {text}"
    assert [event.closes for event in decode(list(encoder.end("0", 2.0)))] == [True]


@given(
    st.builds(
        Header,
        width=st.integers(1, 9999),
        height=st.integers(1, 9999),
        timestamp=st.integers(0, 2**40),
        command=st.text(),
        title=st.text(),
        term=st.text(),
        bastion=st.dictionaries(st.text(), st.text()),
    )
)
def test_headers_come_back(header: Header) -> None:
    line = encode_header(header)
    assert line.count(b"\n") == 1
    assert decode_header(line) == header


def test_a_header_holds_what_stock_tools_expect_and_no_shell() -> None:
    fields = json.loads(encode_header(Header(term="xterm", command="ls", bastion={"session": "s1"})))
    assert fields == {
        "version": 2,
        "width": 80,
        "height": 24,
        "timestamp": 0,
        "env": {"TERM": "xterm"},
        "command": "ls",
        "bastion": {"session": "s1"},
    }


def test_a_header_beyond_the_limit_is_refused() -> None:
    with pytest.raises(RecordingError, match="header of a recording may hold"):
        encode_header(Header(command="x" * LINE_MAX))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"nonsense\n",
        b"[" * 100_000,
        b"{}\n",
        b'[1.0, "o"]\n',
        b'[1.0, "o", 5]\n',
        b'["1", "o", "x"]\n',
        b'[-1, "o", "x"]\n',
        b'[NaN, "o", "x"]\n',
        b'[1e999, "o", "x"]\n',
        b'[1.0, "ob", "not base64"]\n',
        b'[1.0, "ob", "\xc3\xa9\xc3\xa9"]\n',
        b'[1.0, "r", "80"]\n',
        b'[1.0, "r", "0x5"]\n',
        b'[1.0, "r", "99999999999x5"]\n',
        b'[1.0, "o", "\xff"]\n',
        b'[1.0, "o", "tor',
    ],
)
def test_corrupt_lines_are_errors(line: bytes) -> None:
    with pytest.raises(RecordingError, match=r"^the line"):
        decode_event(line)


def test_codes_of_other_recorders_are_passed_over() -> None:
    assert decode_event(b'[1.0, "x", "whatever"]\n') is None


def test_a_lone_surrogate_of_another_recorder_does_no_harm() -> None:
    assert decode_event(b'[1.0, "o", "\\ud800"]\n') == Event(1.0, Code.OUTPUT, b"?")


@pytest.mark.parametrize("line", [b"", b"[]\n", b'{"version": 1}\n', b'{"version": 3}\n', b"\x00\xff\n", b"{" * 9999])
def test_other_files_are_no_recordings(line: bytes) -> None:
    with pytest.raises(RecordingError):
        decode_header(line)


def test_headers_of_other_recorders_are_taken_with_care() -> None:
    line = b'{"version": 2, "width": "x", "height": -1, "timestamp": 1e999, "env": [], "bastion": 5, "title": null}\n'
    assert decode_header(line) == Header()
