"""An exec channel that turns out to copy files: nothing is lost on the way from one pipeline to the other."""

import pytest

from bastion.inspectors.actions import Action, Allowed, Ask, DeniedByRule, End, Exit, Open, Send, Waiting
from bastion.inspectors.mask import Masking
from bastion.inspectors.pipeline import Pipeline
from bastion.inspectors.switch import SwitchingPipeline
from bastion.inspectors.transfer import TransferPipeline
from bastion.model import TRANSFERS, Stream, Verdict
from bastion.model import Action as Ruled
from bastion.policy.copying import Copy
from bastion.protocols.exec import ExecCodec
from bastion.protocols.unread import UnreadCodec

COPY = Copy("rsync", TRANSFERS, (), (), tree=False, plain=True)


def make(command: bytes = b"rsync --server . /a") -> SwitchingPipeline:
    masking = Masking({}, terminal=False)
    plain = Pipeline(ExecCodec(command, terminal=False), masking, terminal=False, record_input=True)

    def become(copy: Copy) -> TransferPipeline:
        codec = UnreadCodec(copy.program, uploads=True, paths="/a")
        return TransferPipeline(codec, masking, lambda _: Verdict(Ruled.ALLOW), lambda line: line, None)

    pipeline = SwitchingPipeline(plain, become, lambda: pytest.fail("no script"), command)
    assert pipeline.start(0) == [Ask(command)]
    return pipeline


def sent(actions: list[Action], stream: Stream) -> bytes:
    return b"".join(a.data for a in actions if isinstance(a, Send) and a.stream is stream)


@pytest.mark.parametrize("copy", [None, COPY])
def test_what_came_early_goes_on_in_order(copy: Copy | None) -> None:
    pipeline = make()
    assert pipeline.holding
    assert pipeline.receive(Stream.STDIN, b"one", 0) == []
    assert pipeline.receive(Stream.STDIN, b"two", 0) == []
    assert pipeline.close(Stream.STDIN, 0) == []
    waiting = pipeline.resolve(Waiting("k", "r", ("g",), "t"), 0)
    assert sent(waiting, Stream.STDERR).startswith(b"bastion: waiting")
    actions = pipeline.resolve(Allowed(copy), 0)
    assert actions[0] == Open()
    assert sent(actions, Stream.STDIN) == b"onetwo"
    assert actions[-1] == End(Stream.STDIN)
    assert not pipeline.holding
    assert sent(pipeline.receive(Stream.STDOUT, b"out", 0), Stream.STDOUT) == b"out"


@pytest.mark.parametrize("command", [b"rsync --server . /a", b"ls", b"scp /a b:", b"scp"])
def test_refusals_go_to_stderr(command: bytes) -> None:
    actions = make(command).resolve(DeniedByRule("a", "no"), 0)
    assert sent(actions, Stream.STDERR) == b"bastion: denied by rule a: no\n"
    assert (sent(actions, Stream.STDOUT), actions[-1]) == (b"", Exit(126))


@pytest.mark.parametrize("command", [b"scp -t /a", b"scp -f /a", b"scp -v -r -p -t /a", b"scp -rpf a", b"scp -f"])
def test_refusals_go_to_scp_in_its_own_words(command: bytes) -> None:
    pipeline = make(command)
    actions = pipeline.resolve(DeniedByRule("a", "no"), 0)
    assert sent(actions, Stream.STDOUT) == b"\x02bastion: denied by rule a: no\n"
    assert (sent(actions, Stream.STDERR), actions[-1]) == (b"", Exit(126))
    assert pipeline.receive(Stream.STDIN, b"more", 0) == []
