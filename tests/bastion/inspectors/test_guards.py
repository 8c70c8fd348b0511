"""Output that can't be masked is stopped, or held until people decide; what was not decided never goes on."""

from bastion.inspectors.actions import (
    Action,
    Allowed,
    DeniedByPerson,
    Exit,
    Hold,
    Save,
    Send,
    Settle,
    Waiting,
)
from bastion.inspectors.guards import Guard, GuardedPipeline
from bastion.inspectors.mask import Masking
from bastion.inspectors.pipeline import Pipeline
from bastion.inspectors.screen import ScreenWatch
from bastion.model import Action as Ruled
from bastion.model import Stream, Verdict
from bastion.protocols.shell import ShellCodec

SWITCH = b"\x1b[?1049h"
ASK = Verdict(Ruled.APPROVE, "masking", "", ("sre",), 1, 600.0)


def channel(verdict: Verdict) -> GuardedPipeline:
    inner = Pipeline(ShellCodec(terminal=True), Masking({}, terminal=True), terminal=True, record_input=False)
    pipeline = GuardedPipeline(inner, {Stream.STDOUT: [Guard(ScreenWatch(), verdict)]}, b"", terminal=True)
    pipeline.start(0)
    return pipeline


def sent(actions: list[Action], stream: Stream = Stream.STDOUT) -> bytes:
    out = b"".join(a.data for a in actions if isinstance(a, Send) and a.stream is stream)
    saved = b"".join(a.data for a in actions if isinstance(a, Save) and a.stream is stream)
    assert stream is Stream.STDIN or out == saved, "what is sent is what is recorded"
    return out


def test_a_program_that_takes_over_the_screen_is_stopped_whatever_the_cut() -> None:
    text = b"\x1b[1mls\x1b[0m $ " + SWITCH + b"secret"
    for size in (1, 3, 5, 100):
        pipeline = channel(Verdict(Ruled.DENY, "masking"))
        actions = [
            action
            for low in range(0, len(text), size)
            for action in pipeline.receive(Stream.STDOUT, text[low : low + size], 1)
        ]
        assert sent(actions).startswith(b"\x1b[1mls\x1b[0m $ ")
        assert b"denied by rule masking: full-screen" in sent(actions)
        assert b"secret" not in sent(actions)
        assert [a.status for a in actions if isinstance(a, Exit)] == [126]
        assert sent(pipeline.finish(2)) == b""


def test_output_waits_for_people_and_goes_on_whole() -> None:
    pipeline = channel(ASK)
    actions = pipeline.receive(Stream.STDOUT, b"$ " + SWITCH + b"one", 1)
    assert sent(actions) == b"$ "
    assert Hold(True) in actions
    assert any(isinstance(a, Settle) and a.aspect == "unmasked" for a in actions)
    assert pipeline.keeps
    assert pipeline.receive(Stream.STDOUT, b"two", 2) == []
    assert pipeline.receive(Stream.STDIN, b"q", 2) == []
    assert pipeline.close(Stream.STDOUT, 2) == []
    assert b"waiting for approval" in sent(pipeline.resolve(Waiting("a", "masking", ("sre",), "soon"), 3))
    actions = pipeline.resolve(Allowed(), 4)
    assert sent(actions) == SWITCH + b"onetwo"
    assert sent(actions, Stream.STDIN) == b"q"
    assert Hold(False) in actions
    assert not pipeline.keeps


def test_what_people_refuse_never_goes_on() -> None:
    pipeline = channel(ASK)
    pipeline.receive(Stream.STDOUT, SWITCH + b"one", 1)
    actions = pipeline.resolve(DeniedByPerson("a", "bob", "no"), 2)
    assert b"denied by bob" in sent(actions)
    assert [a.status for a in actions if isinstance(a, Exit)] == [126]
    assert b"one" not in sent([*actions, *pipeline.receive(Stream.STDOUT, b"one", 3), *pipeline.finish(4)])


def test_an_unfinished_sequence_is_let_out_after_a_pause() -> None:
    pipeline = channel(ASK)
    assert sent(pipeline.receive(Stream.STDOUT, b"key \x1b[", 1)) == b"key "
    assert sent(pipeline.wake(2)) == b"\x1b["
