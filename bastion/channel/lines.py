"""Deciding on lines that are typed in mid-stream: what each may stand for, what the rules say of it, the strictest.

The plain part is `bastion.inspectors.lines`; here texts are understood, which takes a process, and the rules asked.
"""

import secrets
from dataclasses import dataclass, replace
from typing import Protocol

from bastion.channel.requests import ChannelRequest
from bastion.channel.services import Services
from bastion.inspectors.lines import (
    NOT_SHOWN,
    TAKES_HOOK,
    Lines,
    Plan,
    Reading,
    definitions,
    short_forms,
    takes_hook,
    with_doubts,
)
from bastion.model import Action, Grant, ShellGate, Verdict
from bastion.policy.rules import BY_DEFAULT, CommandContext
from bastion.policy.understanding import Understanding
from bastion.protocols.base import Line, Place

STRICT = "strict"
"""The name verdicts give as their rule where a strict shell asks by itself."""

NOTHING = Understanding("")
_ORDER = (Action.ALLOW, Action.APPROVE, Action.DENY)


@dataclass(frozen=True, slots=True)
class Ruled:
    """What the rules say of a line: `command` are the bytes people are asked about; `more`, it is only a beginning."""

    verdict: Verdict
    command: bytes
    more: bool
    reading: Reading | None
    understanding: Understanding | None


class LineJudge(Protocol):
    """Decides the lines of one channel."""

    async def judge(self, line: Line) -> Ruled:
        """Return what the rules say of a line."""

    def passed(self, line: Line, ruled: Ruled) -> None:
        """Take that a line went on."""


def gates(grant: Grant) -> ShellGate:
    """Return how well lines are held: where not everything may run, at least strictly."""
    weak = grant.shell is ShellGate.MISTAKES
    return ShellGate.STRICT if weak and grant.default is not Action.ALLOW else grant.shell


class LineGate:
    """Decides the lines of one channel, with the rules in force when the channel began."""

    def __init__(self, services: Services, grant: Grant, request: ChannelRequest) -> None:
        self._reader = services.reader
        self._rules = services.ruling.rules
        self._grant = grant
        target = services.ruling.target(grant.target)
        self._context = CommandContext(grant.identity, target, grant.login, request.kind)
        self._strict = gates(grant) is not ShellGate.MISTAKES
        self._lines = Lines(strict=self._strict)
        self._number = 0
        self._nonce = secrets.token_hex(4)

    async def judge(self, line: Line) -> Ruled:
        """Return what the rules say of a line."""
        plan = self._lines.plan(line)
        if not plan.readings and not plan.doubts:
            return Ruled(Verdict(Action.ALLOW), b"", more=False, reading=None, understanding=None)
        self._number += 1
        first: Ruled | None = None
        verdicts: list[tuple[Verdict, str]] = []
        for reading in plan.readings:
            understanding, more = await self._understand(line, reading)
            if line.place is Place.HOOK and takes_hook(understanding):
                plan = replace(plan, doubts=(*plan.doubts, TAKES_HOOK))
            verdicts.append((self._verdict(reading, understanding, plan, more=more), reading.text))
            for text in [*definitions(understanding), *(short_forms(reading.text) if more and self._strict else ())]:
                defined = await self._reader.understand(text.encode(), cwd=())
                verdicts.append((self._verdict(Reading(text, firm=False), defined, plan), text))
            if first is None:
                first = Ruled(verdicts[0][0], b"", more, reading, understanding)
        if first is None:
            first = Ruled(self._verdict(Reading(""), NOTHING, plan), b"", more=False, reading=None, understanding=None)
            verdicts.append((first.verdict, ""))
        verdict, text = max(verdicts, key=_strictness)
        return replace(first, verdict=verdict, command=self._command(plan, text))

    def passed(self, line: Line, ruled: Ruled) -> None:
        """Take that a line went on."""
        self._lines.passed(line, ruled.reading, ruled.understanding, more=ruled.more)

    async def _understand(self, line: Line, reading: Reading) -> tuple[Understanding, bool]:
        known = self._lines.understood(reading)
        understanding = known or await self._reader.understand(reading.text.encode("utf-8", "surrogateescape"), cwd=())
        whole = known is not None or line.place is Place.HOOK
        return understanding, not whole and self._lines.continues(understanding)

    def _verdict(self, reading: Reading, understanding: Understanding, plan: Plan, *, more: bool = False) -> Verdict:
        """Return what the rules say of one text; a strict shell asks about what they let pass without knowing it."""
        if more or not reading.firm:
            understanding = replace(understanding, opaque=())
        understanding = with_doubts(understanding, plan.doubts)
        raw, default = reading.text.encode("utf-8", "surrogateescape"), self._grant.default
        if more and not understanding.opaque:
            return Verdict(Action.ALLOW)
        verdict = self._rules.decide(self._context, understanding, raw, default)
        if not self._strict or verdict.action is not Action.ALLOW or not understanding.opaque:
            return verdict
        unknown = replace(understanding, commands=())
        asked = self._rules.decide(self._context, unknown, raw, Action.APPROVE)
        if asked.rule != BY_DEFAULT:
            return verdict
        return replace(asked, rule=STRICT, reason=f"this can't be known for certain: {understanding.opaque[0].detail}")

    def _command(self, plan: Plan, flagged: str) -> bytes:
        """Return what people are asked about: the line, and what is flagged where that is another reading.

        Where nothing is shown of it, it is good for this one line alone.
        """
        if plan.shown != NOT_SHOWN:
            shown = plan.shown if not flagged or flagged in plan.shown else f"{plan.shown} | {flagged}"
            return shown.encode("utf-8", "surrogateescape")
        what = "; ".join(plan.doubts)
        return f"# line {self._number} of shell {self._nonce}, {NOT_SHOWN}: {what}".encode()


def _strictness(ruled: tuple[Verdict, str]) -> tuple[int, bool]:
    verdict, _ = ruled
    return _ORDER.index(verdict.action), verdict.rule != BY_DEFAULT
