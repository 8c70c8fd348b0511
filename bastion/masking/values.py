"""Reads the value behind a key."""

import re

from bastion.masking.fields import PERSONAL, kind_of
from bastion.masking.nearby import FIELD, OBJECT_END
from bastion.masking.units import NOTHING, NOTHING_FIRST, Unit

_LONGEST = 128
_LOOK_AHEAD = 120
_GAP = rb"[:=>|]{0,2}+[ \t]{0,30}+"
_BEFORE = re.compile(_GAP + rb"(?:\\?[\"'])?")
_INSIDE = rb"(?:[^ ,;|\t\r\n<>&{}()\[\]\"\x00\x1b]++| (?! |[A-Za-z_\-.]{1,40}[:=]|-|\||\r|\n|\Z))*+"
_WORD = rb"[^\s,;|<>&{}()\[\]\"\x00\x1b]*+"
_QUOTED = (
    (rb"(?:datetime\.)?date(?:time)?\(", rb"[0-9, ]*+"),  # as Python shows dates
    (rb"(?:ISODate|(?:new )?Date|Timestamp)\([\"']", rb"[0-9TZ:.+\- ]*+"),  # as databases do
    (rb"\\\"", rb"(?:[^\\\n]++|\\(?!\")(?:.|\Z))*+"),
    (rb"\\'", rb"(?:[^\\\n]++|\\(?!')(?:.|\Z))*+"),
    (rb"\"", rb"(?:[^\\\n\"]++|\\(?:.|\Z))*+"),
    (rb"'", rb"(?:[^\\\n']++|\\(?:.|\Z))*+"),
)
_BARE = len(_QUOTED) + 1  # the form of a value without quotes
_NEEDED = {"name": (rb"A-Za-z\x80-\xff", 1), "birth-date": (b"0-9", 1), "national-id": (b"0-9", 5)}
"""Of which characters a value holds so many at least."""
_FAR = 34 + _LONGEST + 8  # up to where a value and what is before it are looked at
_NEAR = 80  # a value no longer than that is the same however much further is looked
_REFUSED = re.compile(rb"[$%{<\[(@*\\/]|(?i:" + NOTHING + rb")\Z")
_REFUSED_FIRST = b"$%{<[(@*\\/" + NOTHING_FIRST
_DIGIT = re.compile(b"[0-9]")
_PART = rb"(?:[A-Z]|\xc3[\x80-\x9e]|[\xc4\xc5\xd0][\x80-\xbf])(?:[a-z'\x80-\xd4][A-Za-z'\x80-\xd4\-]*|\.)"
_PERSON = re.compile(_PART + rb"(?: (?:" + _PART + rb"|van|von|de|der|den|di|da|del|la|bin|al)){1,4}")
_PERSON_BEGINS = re.compile(_BEFORE.pattern + _PART + b" ")


def begins_person(text: bytes, start: int) -> bool:
    """Return whether a person's name may stand behind a key, which tells by itself that it is one."""
    return _PERSON_BEGINS.match(text, start, start + _LONGEST + 40) is not None


class Value:
    """The value behind a key. `weak` is whether the key is a bare name; `told` whether what came before tells whose.

    `spaced` is whether the value may hold blanks though it isn't quoted.
    """

    def __init__(self, kind: str, *, spaced: bool, weak: bool = False, told: bool = False) -> None:
        self.kind = kind  # of what it reads
        self._vague = weak and not told
        self._weak = weak
        needed, self._least = _NEEDED[kind]
        self._needed = re.compile(b"[" + needed + b"]")
        bare = _INSIDE if spaced else _WORD
        enough = (bare.replace(b"[^", b"[^" + needed, 1) + b"[" + needed + b"]") * self._least + bare
        self._bodies = tuple(re.compile(body, re.DOTALL) for body in (*(body for _, body in _QUOTED), bare))
        self._whole, self._enough = (
            re.compile(
                _GAP + b"(?:" + b"|".join(quote + b"(" + body + b")" for quote, body in (*_QUOTED, (b"", last))) + b")",
                re.DOTALL,
            )
            for last in (bare, enough)
        )

    def read(self, text: bytes, start: int, end: int, *, final: bool) -> Unit | None:
        """See `Reader`."""
        far = start + _FAR
        found = self._enough.match(text, start, min(end, far))
        enough = found is not None
        if found is None:
            if far <= end or final:
                return start, (), None  # as most that stands behind a sign
            found = self._whole.match(text, start, end)
            assert found is not None  # it matches nothing too
        form = found.lastindex or 0
        low, high = found.span(form)
        if high - low > _NEAR:
            exact = self._bodies[form - 1].match(text, low, min(end, low + _LONGEST + 8))
            assert exact is not None
            high = exact.end()
            if high - low > _LONGEST:
                return start, (), None
        seen = high + 1 + _LOOK_AHEAD if self._vague else high + 1
        if seen >= end and not final and not self._line_over(text, high, end):
            return None
        value = text[low:high].rstrip()
        if not (enough and form == _BARE) and len(self._needed.findall(value)) < self._least:
            return start, (), None
        if not self._believed(text, value, high):
            return start, (), None
        high = low + len(value)
        return high, ((low, high, self.kind),), None

    def free(self, text: bytes, start: int) -> int:
        """Return where the value begins; that of a bare name is shown while nothing tells whose it is."""
        if self._vague:
            return len(text)
        gap = _BEFORE.match(text, start)
        return start if gap is None else gap.end()

    def _line_over(self, text: bytes, high: int, end: int) -> bool:
        """Whether the line, or the object, ends behind the value; nothing more is looked at then."""
        if high >= end:
            return False
        if not self._vague:
            return high + 1 < end or text[high] < 0x20
        return OBJECT_END.search(text, high, end) is not None

    def _believed(self, text: bytes, value: bytes, high: int) -> bool:
        if value[0] in _REFUSED_FIRST and _REFUSED.match(value) is not None:
            return False
        if text[high : high + 1] in {b"(", b"["} or kind_of(value):
            return False
        if self._weak and _DIGIT.search(value) is not None:
            return False
        if not self._vague or _PERSON.fullmatch(value):
            return True
        after = text[high : high + _LOOK_AHEAD]
        after = OBJECT_END.split(after, maxsplit=1)[0]
        return any(kind_of(key) in PERSONAL for key in set(FIELD.findall(after)))
