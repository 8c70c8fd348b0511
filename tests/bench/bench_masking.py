"""How fast the masker is: `python -m tests.bench.bench_masking`. CPU time of one thread.

Figures: sparse logs, mixed text and dense personal data at 32 KiB, as MB/s and as a ratio to a plain copy and to the
same masker with RE2 in the same run; on sparse logs the watch for what hides values, alone and before the masker, as a
relay has them; single keystrokes; hostile floods, with the longest time that one chunk takes and that one turn of the
relay's event loop does, which takes chunks in slices.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Iterator

from bastion.channel.turns import Turns
from bastion.masking.detectors import ROWS
from bastion.masking.disguise import DisguiseWatch
from bastion.masking.masker import DETECTORS, finder_for
from bastion.masking.stream import StreamMasker
from bastion.masking.styles import TagStyle
from bastion.model import Stream
from tests.bastion.masking.texts import dense, mixed, sparse

CHUNK = 32768


BARS = {"sparse": 100.0, "mixed": 30.0}
"""MB/s to reach, on a machine as fast as that of the design's measurements."""


def verdict(rate: float, bar: float | None) -> str:
    """Return the bar and whether the rate (both MB/s) reaches it."""
    return "" if bar is None else f"  (bar {bar:.0f}: {'met' if rate >= bar else 'MISSED'})"


def chunks(text: bytes, size: int = CHUNK) -> Iterator[bytes]:
    """Yield the text in pieces."""
    for low in range(0, len(text), size):
        yield text[low : low + size]


def masker(*, interactive: bool = False, engine: str = "hyperscan") -> StreamMasker:
    """Return a masker with every detector."""
    return StreamMasker(finder_for(DETECTORS, engine), TagStyle(), interactive=interactive)


def best(run: Callable[[], object], times: int = 3) -> float:
    """Return the least CPU seconds of several runs."""
    found = []
    for _ in range(times):
        begin = time.process_time()
        run()
        found.append(time.process_time() - begin)
    return min(found)


def feed(text: bytes, engine: str = "hyperscan") -> int:
    """Mask the text in chunks and return how many values were masked."""
    stream = masker(engine=engine)
    for chunk in chunks(text):
        stream.feed(chunk)
    stream.end()
    return sum(stream.counts.values())


def watched(text: bytes, *, masked: bool) -> None:
    """Have the text watched for what hides values, and with `masked` what goes on masked."""
    finder = finder_for(DETECTORS, "hyperscan")
    watch, stream = DisguiseWatch(finder, terminal=False), masker()
    for chunk in chunks(text):
        out = watch.feed(chunk)
        if masked:
            stream.feed(out)
    out = watch.end()
    if masked:
        stream.feed(out)
        stream.end()


def copy(text: bytes) -> int:
    """Do with the text what a relay without masking would: take it in pieces and join the rest with them."""
    return sum(len(b"" + chunk) for chunk in chunks(text))


def longest_chunk(text: bytes) -> float:
    """Return the longest CPU seconds that one chunk takes."""
    stream, longest = masker(), 0.0
    for chunk in chunks(text):
        begin = time.process_time()
        stream.feed(chunk)
        longest = max(longest, time.process_time() - begin)
    return longest


def longest_turn(text: bytes) -> float:
    """Return the longest CPU seconds that one turn of a relay's loop takes when the text comes after cheap logs.

    It is fed the same chunks, through the watch for what hides values too.
    """
    watch, stream, longest = DisguiseWatch(finder_for(DETECTORS, "hyperscan"), terminal=False), masker(), 0.0
    waiting: deque[Callable[[], None]] = deque()

    def take(whose: Stream, data: bytes) -> None:
        stream.step(watch.feed(data) if data else b"")
        if stream.behind:
            turns.again(whose)

    turns = Turns(take, lambda _: None, waiting.append)
    for chunk in chunks(sparse(random.Random(2), 500_000) + text):
        waiting.append(lambda chunk=chunk: turns.add(Stream.STDOUT, chunk))  # type: ignore[misc]
        while waiting:
            begin = time.thread_time()
            waiting.popleft()()
            longest = max(longest, time.thread_time() - begin)
    return longest


def keystroke() -> float:
    """Return CPU seconds per typed byte that comes back as echo, and per byte of output that nobody typed."""
    text = b"scp report.csv deploy@web-1:/srv/data && tail -f /var/log/syslog; " * 40
    stream = masker(interactive=True)

    def typed() -> None:
        for place in range(len(text)):
            stream.feed(text[place : place + 1])

    return best(typed) / len(text)


def varied(unit: bytes) -> bytes:
    """Return the unit many times, each with other digits for `#`, so that no answer kept helps."""
    return b"".join(unit.replace(b"#", b"%04d" % (number * 7919 % 10000)) for number in range(997))


COPY, INSERT = b"copy t (email) from stdin;\n", b"insert into t (name) values "

FLOODS: tuple[bytes | tuple[bytes, bytes], ...] = (  # some behind a head that stands there once
    b"1234 ",
    b"1.",
    b"1::",
    b"a@",
    b"a@b.",
    b"AB12 ",
    b"+49 ",
    b"password=",
    b"eyJ",
    b"4111 1111 1111 1111 ",
    b"://a:b@",
    b"12:34:56:",
    b"-----BEGIN ",
    b"ssn 1",
    b"\x1b[m1",
    b"1\x08",
    b"a\0",
    b"x",
    b"1",
    b"tel 1234567 ",
    b"\x1b]0;a\x07",
    b"\0",
    b"a\x07",
    b"\x0f\0",
    b"x\x08x",
    b"\x1b[",
    b"a\x1b[C",
    b"1.2.3.4 \x0f",
    b"a@b.co \x1b7",
    b"1\x07.\x072\x07.\x073\x07.\x074\x07 ",
    b"a\0@\0b\0.\0c\0o\0 \0",
    b"\x1b]\x07",
    b"\x1b]0;a@b.co\x07",
    b"\x1b]8;;mailto:a@b.co\x1b\\",
    b"name: ",
    b"email,",
    b"(1,'",
    b"name=a\n",
    b"ssn=",
    b"ssn|",
    b"dob: 1 ",
    b"ip,a\n",
    b"ip;\n",
    b"id,email\n1,2\n",
    b"name|email|\n---+---\na|b\n",
    b"email: a\nname: a\n",
    b"-[ RECORD 1 ]\nname | a\n",
    b"ssn: 1\nname: a\n",
    b"dob|1\n",
    b"fname | ab\n",
    b"Last Name: ",
    b'"tax_id": "36172059147" ',
    (COPY, b"a\n"),
    (COPY, varied(b"#\n")),
    (INSERT, b"(1),"),
    (INSERT, varied(b"(#),")),
    (b"email,x\n", varied(b"#,a\n")),
    (b"email,x\n", b'"a","b"\n'),
    (b"email,x\n", b"a,b,c\n"),
    (b"email" + b",email" * 50 + b"\n", b"a," * 50 + b"a\n"),
    varied(b"dob=# "),
    varied(b"ip,a#\n"),
    varied(b"ip|a#\n1\n"),
    b"1-1",
    b"12-34-56-",
    b"050-1234567 ",
    b"a@b.c",
    b"x%40y.co ",
    b"a::b::c ",
    b"fe80::1 ",
    b"a://a:b@",
    b"thin:a/b@",
    b"?sig=",
    b"token=",
    b"glpat-",
    b"r@r.rr",
    b"020 7946 0123 ",
    b"::ffff:192.0.2.128 ",
    b"SSN: 078051120 ",
    varied(b"4# # # # "),
    varied(b"# "),
    varied(b"#-"),
    varied(b"SSN: 7#1120 "),
    varied(b"requirepass # "),
    varied(b"curl --token a# "),
    varied(b" -p #"),
    varied(b"xmysql -p# "),
    varied(b"pwd=# "),
    varied(b"psk:r1#,"),
    varied(b"token=a#"),
)


def main() -> None:
    """Print all figures."""
    rng = random.Random(1)
    finder = finder_for(DETECTORS, "hyperscan")
    print(f"{len(ROWS)} rows, {sum(len(row.probes) for row in ROWS)} triggers, chunks of {CHUNK} bytes, CPU time")
    for name, text in (
        ("sparse", sparse(rng, 8_000_000)),
        ("mixed", mixed(rng, 8_000_000)),
        ("dense", dense(rng, 2_000_000)),
    ):
        values = feed(text)
        bar = BARS.get(name)
        seconds = best(lambda text=text: feed(text))  # type: ignore[misc]
        scan = best(lambda text=text: [finder.engine.find(chunk) for chunk in chunks(text)])  # type: ignore[misc]
        plain = best(lambda text=text: copy(text))  # type: ignore[misc]
        sample = text[:1_000_000]
        re2 = best(lambda sample=sample: feed(sample, "re2"), 1) * len(text) / len(sample)  # type: ignore[misc]
        print(
            f"{name:8}{len(text) / seconds / 1e6:8.1f} MB/s  scan alone {len(text) / scan / 1e6:7.1f}"
            f"  {seconds / plain:6.0f} times a copy  RE2 {re2 / seconds:5.1f} times slower"
            f"  {values / len(text) * 1024:6.2f} values/KiB{verdict(len(text) / seconds / 1e6, bar)}"
        )
    text = sparse(rng, 8_000_000)
    alone, both = (best(lambda masked=masked: watched(text, masked=masked)) for masked in (False, True))  # type: ignore[misc]
    size = len(text) / 1e6
    print(f"watch on sparse {size / alone:.1f} MB/s, with the masker behind it {size / both:.1f} MB/s")
    key = keystroke() * 1e6
    print(f"keystroke {key:.1f} us  (bar 20: {'met' if key <= 20 else 'MISSED'})")
    for flood in FLOODS:
        head, body = flood if isinstance(flood, tuple) else (b"", flood)
        text = head + body * (1_000_000 // len(body))
        seconds = best(lambda text=text: feed(text), 1)  # type: ignore[misc]
        longest = longest_chunk(text) * 1e3
        rate = len(text) / seconds / 1e6
        turn = longest_turn(text) * 1e3
        print(
            f"flood {text[:20]!r:26}{rate:8.1f} MB/s{verdict(rate, 2.0)}  longest chunk {longest:6.1f} ms,"
            f" turn {turn:5.1f} ms  (bar 5: {'met' if turn <= 5 else 'MISSED'})"
        )


if __name__ == "__main__":
    main()
