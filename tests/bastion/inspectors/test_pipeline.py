"""The pipeline: order of actions, holding, refusals. No network, no clock."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion.errors import LocalProtocolError
from bastion.inspectors.actions import (
    Action,
    Again,
    Allowed,
    Ask,
    Decision,
    DeniedByPerson,
    DeniedByRule,
    End,
    Exit,
    Lapsed,
    Open,
    Save,
    Send,
    Unanswered,
    Waiting,
    WakeAt,
    Withdraw,
    Withdrawn,
)
from bastion.inspectors.mask import PROGRAM_PAUSE, STRONG_PAUSE, TERMINAL_PAUSE, Masking
from bastion.inspectors.pipeline import Pipeline
from bastion.model import Stream
from bastion.protocols.exec import ExecCodec
from bastion.protocols.shell import ShellCodec


class HoldsX:
    """A masker that holds trailing `x` bytes back, and replaces them by `#` where it must decide."""

    def __init__(self) -> None:
        self._held = b""
        self._masked = 0

    @property
    def held(self) -> int:
        return len(self._held)

    @property
    def counts(self) -> Mapping[str, int]:
        return {"x": self._masked} if self._masked else {}

    def feed(self, data: bytes) -> bytes:
        whole = self._held + data
        out = whole.rstrip(b"x")
        self._held = whole[len(out) :]
        return out

    def step(self, data: bytes) -> bytes:
        return self.feed(data)

    @property
    def behind(self) -> bool:
        return False

    def idle(self) -> bytes:
        return b""

    def end(self) -> bytes:
        self._masked += len(self._held)
        out, self._held = b"#" * len(self._held), b""
        return out

    def typed(self, data: bytes) -> None:
        """Nothing to note."""


def make(*, terminal: bool = False, command: bytes | None = b"id", masked: bool = False) -> Pipeline:
    codec = ExecCodec(command, terminal=terminal) if command is not None else ShellCodec(terminal=terminal)
    maskers = {Stream.STDOUT: HoldsX(), Stream.STDERR: HoldsX()} if masked else {}
    return Pipeline(codec, Masking(maskers, terminal=terminal), terminal=terminal, record_input=not terminal)


def sent(actions: list[Action], stream: Stream) -> bytes:
    return b"".join(a.data for a in actions if isinstance(a, Send) and a.stream is stream)


def test_a_command_is_asked_about_before_anything_opens() -> None:
    assert make().start(0) == [Ask(b"id")]


def test_a_shell_opens_at_once() -> None:
    assert make(command=None).start(0) == [Open()]


def test_what_comes_while_held_is_kept_and_sent_in_order_after_open() -> None:
    pipeline = make()
    pipeline.start(0)
    assert pipeline.receive(Stream.STDIN, b"one", 0) == []
    assert pipeline.receive(Stream.STDIN, b"two", 0) == []
    assert pipeline.close(Stream.STDIN, 0) == []
    assert pipeline.resolve(Allowed(), 0) == [
        Open(),
        Save(Stream.STDIN, b"one"),
        Send(Stream.STDIN, b"one"),
        Save(Stream.STDIN, b"two"),
        Send(Stream.STDIN, b"two"),
        End(Stream.STDIN),
    ]


@pytest.mark.parametrize(
    ("decision", "line", "status"),
    [
        (DeniedByRule("wipe", "destroys the host"), "bastion: denied by rule wipe: destroys the host", 126),
        (DeniedByPerson("k3v9", "bob", "not now"), "bastion: approval k3v9 denied by bob: not now", 126),
        (
            Unanswered("k3v9"),
            "bastion: approval k3v9 is still open; run the same command again once it is approved",
            75,
        ),
        (Lapsed("k3v9"), "bastion: approval k3v9 is used up or expired; run the command again to ask anew", 75),
        (Withdrawn("k3v9"), "bastion: approval k3v9 withdrawn", 130),
        (DeniedByRule("a", "x\r\nbastion: fake\u202e"), "bastion: denied by rule a: x\\r\\nbastion: fake\\u202e", 126),
    ],
)
def test_refusals_end_the_channel_and_open_nothing(decision: Decision, line: str, status: int) -> None:
    pipeline = make()
    pipeline.start(0)
    pipeline.receive(Stream.STDIN, b"secret input", 0)
    actions = pipeline.resolve(decision, 0)
    assert sent(actions, Stream.STDERR).decode() == line + "\n"
    assert actions[-1] == Exit(status)
    assert not any(isinstance(a, Open) or (isinstance(a, Send) and a.stream is Stream.STDIN) for a in actions)
    assert pipeline.receive(Stream.STDIN, b"more", 0) == []


def test_waiting_says_so_and_goes_on_holding() -> None:
    pipeline = make()
    pipeline.start(0)
    actions = pipeline.resolve(Waiting("k3v9", "prod", ("sre", "dba"), "2026-11-22T21:00:00.000Z"), 0)
    assert (
        sent(actions, Stream.STDERR)
        == b"bastion: waiting for approval k3v9 (rule prod, approvers sre,dba, until 2026-11-22T21:00:00.000Z)\n"
    )
    assert pipeline.holding
    assert pipeline.resolve(Allowed(), 0) == [Open()]


def test_on_a_terminal_lines_go_to_the_terminal_and_ctrl_c_withdraws() -> None:
    pipeline = make(terminal=True)
    pipeline.start(0)
    actions = pipeline.resolve(Waiting("k", "r", ("g",), "t"), 0)
    assert sent(actions, Stream.STDOUT).endswith(b"until t)\r\n")
    assert pipeline.receive(Stream.STDIN, b"ab\x03", 0) == [Withdraw()]


def test_a_terminals_input_is_not_recorded_and_a_programs_is() -> None:
    typed = make(terminal=True, command=None)
    typed.start(0)
    assert typed.receive(Stream.STDIN, b"pw", 0) == [Send(Stream.STDIN, b"pw")]
    piped = make(command=None)
    piped.start(0)
    assert piped.receive(Stream.STDIN, b"data", 0) == [Save(Stream.STDIN, b"data"), Send(Stream.STDIN, b"data")]


def test_input_held_for_the_recording_is_sent_to_the_target_once() -> None:
    class LetsGo(HoldsX):
        def idle(self) -> bytes:
            out, self._held = self._held, b""
            return out

    codec = ExecCodec(b"id", terminal=False)
    masking = Masking({Stream.STDIN: LetsGo()}, terminal=False)
    pipeline = Pipeline(codec, masking, terminal=False, record_input=True)
    pipeline.start(0)
    pipeline.resolve(Allowed(), 0)
    actions = pipeline.receive(Stream.STDIN, b"sha1x", 0)
    assert sent(actions, Stream.STDIN) == b"sha1x"
    later = pipeline.wake(PROGRAM_PAUSE)
    assert Save(Stream.STDIN, b"x") in later
    assert sent(later, Stream.STDIN) == b""


def test_who_may_see_everything_is_recorded_masked_all_the_same() -> None:
    masking = Masking({Stream.STDOUT: HoldsX()}, terminal=False, clear=True)
    pipeline = Pipeline(ShellCodec(terminal=False), masking, terminal=False, record_input=True)
    pipeline.start(0)
    actions = pipeline.receive(Stream.STDOUT, b"abxx", 0) + pipeline.close(Stream.STDOUT, 1)
    assert sent(actions, Stream.STDOUT) == b"abxx"
    assert [action.data for action in actions if isinstance(action, Save)] == [b"ab", b"##"]


def test_a_decision_nobody_asked_for_is_a_defect() -> None:
    pipeline = make(command=None)
    pipeline.start(0)
    with pytest.raises(LocalProtocolError):
        pipeline.resolve(Allowed(), 0)


@pytest.mark.parametrize(("terminal", "pause"), [(True, TERMINAL_PAUSE), (False, PROGRAM_PAUSE)])
def test_held_output_is_looked_at_twice_and_decided_at_the_end(terminal: bool, pause: float) -> None:
    pipeline = make(terminal=terminal, command=None, masked=True)
    pipeline.start(0)
    actions = pipeline.receive(Stream.STDOUT, b"abxx", 10)
    assert actions == [Save(Stream.STDOUT, b"ab"), Send(Stream.STDOUT, b"ab"), WakeAt(10 + pause)]
    assert pipeline.wake(10 + pause) == [WakeAt(10 + pause + STRONG_PAUSE)]
    assert pipeline.wake(10 + pause + STRONG_PAUSE) == []
    assert pipeline.close(Stream.STDOUT, 12) == [
        Save(Stream.STDOUT, b"##"),
        Send(Stream.STDOUT, b"##"),
        End(Stream.STDOUT),
    ]
    assert pipeline.masked() == {"x": 2}


@given(st.lists(st.tuples(st.sampled_from(list(Stream)), st.binary(max_size=8)), max_size=30))
def test_everything_sent_to_the_client_was_saved_just_before(chunks: list[tuple[Stream, bytes]]) -> None:
    pipeline = make(command=None, masked=True)
    actions = pipeline.start(0)
    for stream, data in chunks:
        actions += pipeline.receive(stream, data, 0)
    actions += pipeline.finish(1)
    before: Action | None = None
    for action in actions:
        if isinstance(action, Send) and (action.data or action.stream is not Stream.STDIN):
            assert before == Save(action.stream, action.data)
        before = action
    for stream in (Stream.STDOUT, Stream.STDERR):
        whole = b"".join(data for name, data in chunks if name is stream)
        kept = whole.rstrip(b"x")
        assert sent(actions, stream) == kept + b"#" * (len(whole) - len(kept))


def test_what_a_masker_leaves_for_later_is_asked_for_again() -> None:
    class OneByOne(HoldsX):
        late = b""

        def step(self, data: bytes) -> bytes:
            data, self.late = self.late + data, b""
            piece, self.late = data[:1], data[1:]
            return self.feed(piece)

        @property
        def behind(self) -> bool:
            return bool(self.late)

    masking = Masking({Stream.STDOUT: OneByOne()}, terminal=False)
    pipeline = Pipeline(ShellCodec(terminal=False), masking, terminal=False, record_input=True)
    pipeline.start(0)
    actions = pipeline.receive(Stream.STDOUT, b"abcd", 0)
    for byte in (b"a", b"b", b"c"):
        assert sent(actions, Stream.STDOUT) == byte
        assert Again(Stream.STDOUT) in actions
        actions = pipeline.receive(Stream.STDOUT, b"", 0)
    assert sent(actions, Stream.STDOUT) == b"d"
    assert Again(Stream.STDOUT) not in actions
