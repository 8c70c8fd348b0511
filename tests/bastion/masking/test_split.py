"""However a stream is cut, the same comes out, and it is what a plain search over the whole text says."""

import itertools
import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bastion.masking.masker import finder_for
from bastion.masking.stream import StreamMasker
from bastion.masking.styles import FixedStyle, TagStyle

settings.register_profile("fast", max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
settings.register_profile("deep", max_examples=100_000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

VALUES = [
    b"john.doe@example.com",
    b"a@b.io",
    b"x" * 70 + b"@long.example",
    "jörg@bücher.example".encode(),
    b"o'neil@mail.co.uk",
    b"git@github.com",
    b"getty@tty1.service",
]
GLUE = [
    b" ",
    b"\n",
    b"\r\n",
    b",",
    b"@",
    b".",
    b"-",
    b"'",
    b"\x08",
    b"\x08\x08",
    b"_\x08",
    b"\x1b[31m",
    b"\x1b[K",
    b"\x1b[C",
    b"\x1b[2J",
    b"\x1b",
    b"\x1b]0;t",
    b"\x07",
    b"\x1b\\",
    b"\x1b]8;;mailto:a@b.io",
    b"\0",
    b"\0a\0",
    b"\xc3",
    b"\xbc",
    b"\xff",
    "é".encode(),
    "联".encode(),
    b"\t",
    b"x",
    b"[EMAIL]",
    b"=",
    b"\x1b]52;c;",
    b":",
    b"a" * 300,
]


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    parts = []
    for _ in range(draw(st.integers(1, 8))):
        what = draw(st.integers(0, 5))
        if what == 0:
            value = draw(st.sampled_from(VALUES))
            low = draw(st.integers(0, len(value)))
            parts.append(value[low : draw(st.integers(low, len(value)))])
        elif what == 1:
            value = draw(st.sampled_from(VALUES))
            cut = draw(st.integers(0, len(value)))
            parts += [value[:cut], draw(st.sampled_from(GLUE)), value[cut:]]
        elif what == 2:
            value = draw(st.sampled_from(VALUES))
            parts.append(draw(st.sampled_from(GLUE)).join(value[i : i + 1] for i in range(len(value))))
        elif what == 3:
            parts.append(draw(st.sampled_from(VALUES)))
        else:
            parts.append(draw(st.sampled_from(GLUE)))
    return b"".join(parts)


def mask(text: bytes, cuts: list[int], *, fixed: bool = False) -> bytes:
    masker = StreamMasker(finder_for(("email",), "hyperscan"), FixedStyle() if fixed else TagStyle(), interactive=False)
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    out = [masker.feed(text[low:high]) for low, high in itertools.pairwise(edges)]
    return b"".join(out) + masker.end()


@given(texts(), st.lists(st.integers(0, 1000), max_size=12), st.booleans())
def test_cuts_change_nothing(text: bytes, cuts: list[int], fixed: bool) -> None:
    whole = mask(text, [], fixed=fixed)
    assert mask(text, cuts, fixed=fixed) == whole
    assert mask(text, list(range(len(text))), fixed=fixed) == whole


@given(texts())
def test_masking_twice_is_masking_once(text: bytes) -> None:
    once = mask(text, [])
    assert mask(once, []) == once
