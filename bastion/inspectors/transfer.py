"""The order in which everything happens on a channel that transfers files: codec, rights and rules, masking, record.

A stand-in for `Pipeline` with the same methods. The recording gets one readable line for each file and change instead
of the protocol's bytes. An operation that waits for people holds back what its side sends after it, nothing else; a
refused one is answered in the protocol, told on stderr, and the session goes on.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum, auto

from bastion.audit import EventType
from bastion.errors import AccessDenied, LocalProtocolError, UnavailableError
from bastion.inspectors.actions import (
    Action,
    Allowed,
    Ask,
    Decision,
    DeniedByRule,
    End,
    Exit,
    Journal,
    Open,
    Read,
    Save,
    Send,
    Settle,
    Waiting,
    WakeAt,
    Withdraw,
)
from bastion.inspectors.mask import Masking
from bastion.inspectors.messages import STATUS, visible, wording
from bastion.model import Action as Ruled
from bastion.model import Stream, Verdict
from bastion.protocols.transfer import (
    Asked,
    FileDone,
    Operation,
    OperationDone,
    Out,
    Pass,
    Say,
    TransferCodec,
    Verb,
    shown,
)

MAX_KEPT = 8 * 1024 * 1024
"""Bytes kept while people decide; reading stops long before, after a window's worth."""

MAX_LINES = 100
"""Lines of the bastion's own on a channel; a tool that is refused thousands of files needn't tell each of them."""


class _State(Enum):
    NEW = auto()
    HELD = auto()
    OPEN = auto()
    ASKING = auto()
    ENDED = auto()


class TransferPipeline:
    """One channel.

    Parameters
    ----------
    codec: reads the channel's protocol.
    masking: the maskers of its stderr, with `guard` of its stdout too; files are masked by the codec.
    judge: what roles and rules say of an operation.
    clean: masks a line for the recording, and what the bastion itself says of files.
    question: what is asked about before anything opens; None where that is settled.
    guard: whether stdout may only pass as long as its masker finds nothing.
    """

    def __init__(
        self,
        codec: TransferCodec,
        masking: Masking,
        judge: Callable[[Operation], Verdict],
        clean: Callable[[bytes], bytes],
        question: bytes | None,
        *,
        guard: bool = False,
    ) -> None:
        self._codec = codec
        self._masking = masking
        self._judge = judge
        self._clean = clean
        self._question = question
        self._guarded: bytearray | None = bytearray() if guard else None  # stdout that is not decided
        self._state = _State.NEW
        self._asked: Asked | None = None
        self._queue: deque[Out] = deque()  # behind what is asked
        self._side = Stream.STDIN  # whose bytes wait for a decision
        self._kept: deque[bytes | None] = deque()  # of that side; None is its end
        self._kept_size = 0
        self._lines = 0
        self._masked: dict[str, int] = {}

    @property
    def holding(self) -> bool:
        """Whether something waits for a decision."""
        return self._state in (_State.HELD, _State.ASKING)

    @property
    def keeps(self) -> bool:
        """Whether output waits for a decision."""
        return False

    def start(self, now: float) -> list[Action]:  # noqa: ARG002 - as in Pipeline
        """Begin: ask about the channel as a whole."""
        self._expect(_State.NEW)
        if self._question is None:
            self._state = _State.OPEN
            return [Open()]
        self._state = _State.HELD
        return [Ask(self._question)]

    def receive(self, stream: Stream, data: bytes, now: float) -> list[Action]:
        """Take bytes: STDIN from the client, the others from the target."""
        if self._state is _State.ENDED:
            return []
        if stream is self._side and self._state is not _State.OPEN:
            self._keep(data)
            return []
        return self._with_wake(self._handle(stream, self._codec.feed(stream, data), now))

    def close(self, stream: Stream, now: float) -> list[Action]:
        """Take the end of a stream."""
        if self._state is _State.ENDED:
            return []
        if stream is self._side and self._state is not _State.OPEN:
            self._kept.append(None)
            return []
        return self._end(stream, now)

    def resolve(self, decision: Decision, now: float) -> list[Action]:
        """Take what was decided: on the channel as a whole, or on the operation that is held."""
        if isinstance(decision, Waiting):
            return self.note(wording(decision))
        if self._state is _State.HELD:
            if not isinstance(decision, Allowed):
                self._state = _State.ENDED
                return [*self.note(wording(decision)), Exit(STATUS[type(decision)])]
            self._state = _State.OPEN
            return [Open(), *self._with_wake(self._go_on(now))]
        self._expect(_State.ASKING)
        asked, self._asked = self._asked, None
        assert asked is not None
        self._state = _State.OPEN
        actions = self._allow(asked, now) if isinstance(decision, Allowed) else self._refuse(asked, wording(decision))
        actions += self._go_on(now)
        return self._with_wake([*actions, *([Read(True)] if not self.holding else [])])

    def wake(self, now: float) -> list[Action]:
        """Release what maskers may release after a pause."""
        actions: list[Action] = []
        for stream, saved, going in self._masking.wake(now):
            actions += self._checked(saved) if stream is Stream.STDOUT else self._errors(saved, going)
        return self._with_wake(actions)

    def note(self, text: str) -> list[Action]:
        """Tell the client a line of the bastion's own."""
        data = f"{text}\n".encode()
        return [Save(Stream.STDERR, data), Send(Stream.STDERR, data)]

    def finish(self, now: float) -> list[Action]:
        """Flush everything: the channel is over."""
        if self._state is _State.ENDED:
            return []
        self._state = _State.OPEN
        actions: list[Action] = [*([Withdraw()] if self._asked is not None else [])]
        actions += self._handle(Stream.STDOUT, self._codec.finish(), now)
        actions += (a for a in self._end(Stream.STDERR, now) if not isinstance(a, End))
        self._state = _State.ENDED
        return actions

    def resize(self, columns: int, rows: int) -> None:
        """Do nothing: files have no terminal."""

    def masked(self) -> dict[str, int]:
        """Return how many values were masked for the client, by type."""
        totals = self._masking.counts()
        for kind, number in self._masked.items():
            totals[kind] = totals.get(kind, 0) + number
        return totals

    # Inside

    def _keep(self, data: bytes) -> None:
        self._kept.append(data)
        self._kept_size += len(data)
        if self._kept_size > MAX_KEPT:
            raise UnavailableError("too much came while a decision was waited for; try again once it is made")

    def _go_on(self, now: float) -> list[Action]:
        """Work off what was held, up to the next operation that is asked about."""
        actions: list[Action] = []
        while self._state is _State.OPEN and (self._queue or self._kept):
            if self._queue:
                actions += self._one(self._queue.popleft(), now)
                continue
            data = self._kept.popleft()
            if data is None:
                actions += self._end(self._side, now)
            else:
                self._kept_size -= len(data)
                self._queue.extend(self._codec.feed(self._side, data))
        return actions

    def _handle(self, stream: Stream, outs: list[Out], now: float) -> list[Action]:
        actions: list[Action] = []
        for place, out in enumerate(outs):
            held = self._state is _State.ASKING
            actions += self._one(out, now)
            if self._state is _State.ASKING and not held:
                self._side = stream
                self._queue.extend(outs[place + 1 :])
                break
        return actions

    def _one(self, out: Out, now: float) -> list[Action]:
        match out:
            case Pass(Stream.STDERR, raw):
                return self._errors(*self._masking.feed(Stream.STDERR, raw, now))
            case Pass(Stream.STDOUT, raw) if self._guarded is not None:
                self._guarded += raw
                return self._checked(self._masking.feed(Stream.STDOUT, raw, now)[0])
            case Pass(stream, raw):
                return [Send(stream, raw)]
            case Asked():
                return self._decide(out, now)
            case FileDone():
                return self._file_done(out)
            case OperationDone(operation, result):
                return self._operation_done(operation, result)
            case Say(text):
                return self._say(f"bastion: {self._named(visible(text))}")

    def _decide(self, asked: Asked, now: float) -> list[Action]:
        operation = asked.operation
        verdict = self._judge(operation)
        if verdict.action is Ruled.ALLOW:
            return self._allow(asked, now)
        facts = {
            "command": operation.line,
            "action": str(verdict.action),
            "rule": verdict.rule,
            "reason": verdict.reason,
        }
        journal = Journal(EventType.COMMAND_VERDICT, facts)
        if verdict.action is Ruled.DENY:
            return [journal, *self._refuse(asked, wording(DeniedByRule(verdict.rule, verdict.reason)))]
        self._state = _State.ASKING
        self._asked = asked
        return [journal, Settle(operation.line.encode(), verdict), Read(False)]

    def _allow(self, asked: Asked, now: float) -> list[Action]:
        actions: list[Action] = []
        for out in self._codec.allow(asked):
            actions += self._one(out, now)
        return actions

    def _refuse(self, asked: Asked, line: str) -> list[Action]:
        actions: list[Action] = []
        for out in self._codec.refuse(asked, line):
            assert isinstance(out, Pass)
            actions.append(Send(out.stream, out.raw))
        record = f"refused {asked.operation.line}: {line}"
        return [*self._record(record), *self._say(f"{line} ({self._named(asked.operation.line)})"), *actions]

    def _file_done(self, done: FileDone) -> list[Action]:
        facts: dict[str, object] = {
            "path": done.path,
            "size": done.size,
            "sha256": done.sha256,
            "result": done.result,
            "access": "random" if done.random else "sequential",
        }
        if done.offset:
            facts["offset"] = done.offset
        if done.detail:
            facts["detail"] = done.detail
        words = ["get" if done.verb is Verb.DOWNLOAD else "put", shown(done.path), f"{done.size} bytes"]
        if done.offset:
            words.append(f"from {done.offset}")
        words.append(f"sha256 {done.sha256}" if done.sha256 else "no digest")
        if done.result != "ok":
            words.append(done.result)
        actions: list[Action] = []
        if done.verb is Verb.DOWNLOAD:
            facts["complete"] = done.complete
            facts["masked"] = dict(done.masked or {})
            for kind, number in (done.masked or {}).items():
                self._masked[kind] = self._masked.get(kind, 0) + number
            if total := sum((done.masked or {}).values()):
                words.append(f"{total} masked")
                actions += self._say(f"bastion: {total} values are masked in {self._named(shown(done.path))}")
        kind = EventType.FILE_DOWNLOAD if done.verb is Verb.DOWNLOAD else EventType.FILE_UPLOAD
        return [Journal(kind, facts), *self._record(" ".join(words)), *actions]

    def _operation_done(self, operation: Operation, result: str) -> list[Action]:
        facts: dict[str, object] = {"operation": str(operation.verb), "path": operation.path, "result": result}
        if operation.other:
            facts["other"] = operation.other
        if operation.detail:
            facts["detail"] = operation.detail
        line = operation.line if result == "ok" else f"{operation.line}: {result}"
        return [Journal(EventType.FILE_OPERATION, facts), *self._record(line)]

    def _record(self, line: str) -> list[Action]:
        return [Save(Stream.STDOUT, self._clean(f"{line}\n".encode("utf-8", "replace")))]

    def _named(self, text: str) -> str:
        """Return what names files, which may be called after people, as it may be said and kept."""
        return self._clean(text.encode("utf-8", "replace")).decode("utf-8", "replace")

    def _say(self, line: str) -> list[Action]:
        self._lines += 1
        if self._lines > MAX_LINES:
            return []
        if self._lines == MAX_LINES:
            line = "bastion: what is said here from now on is left out"
        return self.note(line)

    def _end(self, stream: Stream, now: float) -> list[Action]:
        actions = self._handle(stream, self._codec.end(stream), now)
        if stream is Stream.STDOUT and self._guarded is not None:
            actions += self._checked(self._masking.end(stream)[0])
        if stream is Stream.STDERR:
            actions += self._errors(*self._masking.end(stream))
        return [*actions, End(stream)]

    def _checked(self, masked: bytes) -> list[Action]:
        """Let output go on that masking would not change; end the channel at the first value, before it goes out."""
        assert self._guarded is not None
        data = bytes(self._guarded[: len(masked)])
        if data != masked:
            raise AccessDenied(
                "what comes now must be masked, which this program's protocol can't bear; use sftp or scp"
            )
        del self._guarded[: len(masked)]
        return [Send(Stream.STDOUT, data)] if data else []

    def _errors(self, saved: bytes, going: bytes) -> list[Action]:
        """Save what is masked of stderr, and send it, or the raw bytes to those who see everything."""
        kept = [Save(Stream.STDERR, saved)] if saved else []
        return [*kept, *([Send(Stream.STDERR, going)] if going else [])]

    def _with_wake(self, actions: list[Action]) -> list[Action]:
        if (due := self._masking.next_wake()) is not None:
            actions.append(WakeAt(due))
        return actions

    def _expect(self, state: _State) -> None:
        if self._state is not state:
            raise LocalProtocolError(f"the transfer is {self._state.name.lower()}, not {state.name.lower()}")
