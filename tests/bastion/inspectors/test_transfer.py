"""A channel that transfers files: order, holding, refusals, what is journalled and recorded. No network, no clock."""

from collections.abc import Callable

import pytest

from bastion.audit import EventType
from bastion.config.schema import MaskingConfig
from bastion.errors import AccessDenied, LocalProtocolError, UnavailableError
from bastion.inspectors.actions import (
    Action,
    Allowed,
    Ask,
    DeniedByPerson,
    DeniedByRule,
    End,
    Exit,
    Journal,
    Open,
    Read,
    Save,
    Send,
    Settle,
    Unanswered,
    Waiting,
    WakeAt,
    Withdraw,
)
from bastion.inspectors.mask import Masking
from bastion.inspectors.transfer import MAX_KEPT, MAX_LINES, TransferPipeline
from bastion.masking.masker import MaskingPolicy
from bastion.model import Action as Ruled
from bastion.model import Stream, Verdict
from bastion.protocols.sftp import SFTPCodec
from bastion.protocols.sftp_packets import Code, Fields, Type, status
from bastion.protocols.transfer import Operation, TransferCodec
from bastion.protocols.unread import UnreadCodec
from tests.bastion.protocols.sftp_kit import CREATE, INIT, READ, VERSION, WRITE, handle, ok, open_, read, request, write

ALLOW = Verdict(Ruled.ALLOW)
ASK = Verdict(Ruled.APPROVE, "release", "", ("sre",), 1, 60.0)
DENY = Verdict(Ruled.DENY, "secrets", "stays here")
POLICY = MaskingPolicy(MaskingConfig(detectors=("email",)))


def make(
    judge: Callable[[Operation], Verdict] = lambda _: ALLOW,
    codec: TransferCodec | None = None,
    *,
    guard: bool = False,
    greet: bool = True,
) -> TransferPipeline:
    maskers = {stream: masker for stream in Stream if (masker := POLICY.masker(interactive=False)) is not None}
    pipeline = TransferPipeline(
        codec or SFTPCodec(),
        Masking(maskers, terminal=False),
        judge,
        lambda line: line.replace(b"jane", b"****"),
        b"sftp" if greet else None,
        guard=guard,
    )
    if greet:
        assert pipeline.start(0) == [Ask(b"sftp")]
        assert pipeline.resolve(Allowed(), 0) == [Open()]
        pipeline.receive(Stream.STDIN, INIT, 0)
        pipeline.receive(Stream.STDOUT, VERSION, 0)
    return pipeline


def sent(actions: list[Action], stream: Stream) -> bytes:
    return b"".join(a.data for a in actions if isinstance(a, Send) and a.stream is stream)


def saved(actions: list[Action]) -> list[tuple[Stream, bytes]]:
    return [(a.stream, a.data) for a in actions if isinstance(a, Save)]


def test_nothing_passes_before_the_channel_is_allowed() -> None:
    pipeline = TransferPipeline(SFTPCodec(), Masking({}, terminal=False), lambda _: ALLOW, lambda line: line, b"sftp")
    assert pipeline.start(0) == [Ask(b"sftp")]
    assert pipeline.receive(Stream.STDIN, INIT, 0) == []
    assert pipeline.close(Stream.STDIN, 0) == []
    assert pipeline.holding
    assert pipeline.resolve(Allowed(), 0) == [Open(), Send(Stream.STDIN, INIT), End(Stream.STDIN)]


def test_a_refused_channel_says_so_and_ends() -> None:
    pipeline = TransferPipeline(SFTPCodec(), Masking({}, terminal=False), lambda _: ALLOW, lambda line: line, b"sftp")
    pipeline.start(0)
    actions = pipeline.resolve(DeniedByRule("wipe", "no"), 0)
    assert sent(actions, Stream.STDERR) == b"bastion: denied by rule wipe: no\n"
    assert actions[-1] == Exit(126)
    assert pipeline.receive(Stream.STDIN, INIT, 0) == []


def test_a_file_is_journalled_and_recorded_as_a_line() -> None:
    pipeline = make()
    for stream, raw in [
        (Stream.STDIN, open_(1, b"/d/jane", WRITE | CREATE)),
        (Stream.STDOUT, handle(1, b"h")),
        (Stream.STDIN, write(2, b"h", 0, b"abc")),
        (Stream.STDOUT, ok(2)),
        (Stream.STDIN, request(Type.CLOSE, 3, b"h")),
    ]:
        actions = pipeline.receive(stream, raw, 0)
        assert sent(actions, stream) == raw
        assert saved(actions) == [], "the protocol's bytes are not recorded"
    actions = pipeline.receive(Stream.STDOUT, ok(3), 0)
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert actions == [
        Journal(
            EventType.FILE_UPLOAD,
            {"path": "/d/jane", "size": 3, "sha256": digest, "result": "ok", "access": "sequential"},
        ),
        Save(Stream.STDOUT, f"put /d/**** 3 bytes sha256 {digest}\n".encode()),
        Send(Stream.STDOUT, ok(3)),
    ]


def test_a_denied_operation_is_answered_told_and_journalled() -> None:
    pipeline = make(lambda operation: DENY if operation.path == "/no" else ALLOW)
    actions = pipeline.receive(Stream.STDIN, open_(1, b"/no", READ) + open_(2, b"/yes", READ), 0)
    assert sent(actions, Stream.STDIN) == open_(2, b"/yes", READ)
    fields = Fields(sent(actions, Stream.STDOUT))
    line = b"bastion: denied by rule secrets: stays here"
    assert (fields.uint32(), fields.string()) == (Code.PERMISSION_DENIED, line)
    assert sent(actions, Stream.STDERR) == line + b" (download /no)\n"
    (journal,) = (a for a in actions if isinstance(a, Journal))
    assert (journal.kind, journal.facts["command"], journal.facts["rule"]) == (
        EventType.COMMAND_VERDICT,
        "download /no",
        "secrets",
    )
    assert (Stream.STDOUT, b"refused download /no: " + line + b"\n") in saved(actions)


def test_an_operation_that_is_asked_about_holds_the_client_and_not_the_target() -> None:
    pipeline = make(lambda operation: ASK if operation.path == "/a" else ALLOW)
    before = pipeline.receive(Stream.STDIN, request(Type.STAT, 1, b"/"), 0)
    assert sent(before, Stream.STDIN)
    asked = pipeline.receive(Stream.STDIN, open_(2, b"/a", WRITE) + request(Type.RMDIR, 3, b"/b"), 0)
    assert asked[1:] == [Settle(b"upload /a", ASK), Read(False)]
    assert pipeline.receive(Stream.STDIN, request(Type.RMDIR, 4, b"/c"), 0) == []
    assert sent(pipeline.receive(Stream.STDOUT, status(1, Code.FAILURE, ""), 0), Stream.STDOUT)
    waiting = pipeline.resolve(Waiting("k3v9", "release", ("sre",), "2026-11-22T21:00:00.000Z"), 0)
    assert sent(waiting, Stream.STDERR).startswith(b"bastion: waiting for approval k3v9")
    actions = pipeline.resolve(Allowed(), 0)
    assert sent(actions, Stream.STDIN) == b"".join(
        [open_(2, b"/a", WRITE), request(Type.RMDIR, 3, b"/b"), request(Type.RMDIR, 4, b"/c")]
    )
    assert actions[-1] == Read(True)
    assert not pipeline.holding


@pytest.mark.parametrize("decision", [DeniedByPerson("k", "bob", "no"), Unanswered("k")])
def test_an_operation_that_is_not_approved_is_refused_and_the_rest_goes_on(
    decision: DeniedByPerson | Unanswered,
) -> None:
    pipeline = make(lambda operation: ASK if operation.path == "/a" else ALLOW)
    pipeline.receive(Stream.STDIN, open_(2, b"/a", WRITE) + request(Type.RMDIR, 3, b"/b"), 0)
    actions = pipeline.resolve(decision, 0)
    assert Fields(sent(actions, Stream.STDOUT)).uint32() == Code.PERMISSION_DENIED
    assert sent(actions, Stream.STDIN) == request(Type.RMDIR, 3, b"/b")


def test_several_operations_are_asked_about_one_after_the_other() -> None:
    pipeline = make(lambda _: ASK)
    pipeline.receive(Stream.STDIN, request(Type.RMDIR, 1, b"/a") + request(Type.RMDIR, 2, b"/b"), 0)
    actions = pipeline.resolve(Allowed(), 0)
    assert [a.command for a in actions if isinstance(a, Settle)] == [b"rmdir /b"]
    assert actions[-1] != Read(True)
    assert pipeline.resolve(Allowed(), 0)[-1] == Read(True)


def test_the_end_of_the_client_waits_its_turn() -> None:
    pipeline = make(lambda _: ASK)
    pipeline.receive(Stream.STDIN, request(Type.RMDIR, 1, b"/a"), 0)
    assert pipeline.close(Stream.STDIN, 0) == []
    assert End(Stream.STDIN) in pipeline.resolve(Allowed(), 0)


def test_what_is_kept_is_bounded() -> None:
    pipeline = make(lambda _: ASK)
    pipeline.receive(Stream.STDIN, request(Type.RMDIR, 1, b"/a"), 0)
    for _ in range(MAX_KEPT // 65536):
        assert pipeline.receive(Stream.STDIN, bytes(65536), 0) == []
    with pytest.raises(UnavailableError):
        pipeline.receive(Stream.STDIN, b"x", 0)


def test_a_client_that_goes_takes_its_request_back() -> None:
    pipeline = make(lambda _: ASK)
    pipeline.receive(Stream.STDIN, request(Type.RMDIR, 1, b"/a"), 0)
    assert Withdraw() in pipeline.finish(1)
    assert pipeline.finish(1) == []


def test_lines_are_bounded() -> None:
    pipeline = make(lambda _: DENY)
    lines = b""
    for number in range(3 * MAX_LINES):
        lines += sent(pipeline.receive(Stream.STDIN, request(Type.RMDIR, number, b"/a"), 0), Stream.STDERR)
    assert lines.count(b"\n") == MAX_LINES
    assert lines.endswith(b"left out\n")
    assert sent(pipeline.note("bastion: bye"), Stream.STDERR) == b"bastion: bye\n"


def test_stderr_of_the_target_is_masked() -> None:
    pipeline = make()
    actions = pipeline.receive(Stream.STDERR, b"to jane.doe@example.com.\n", 0)
    assert sent(actions, Stream.STDERR) == b"to [EMAIL].\n"
    assert saved(actions) == [(Stream.STDERR, b"to [EMAIL].\n")]
    held = pipeline.receive(Stream.STDERR, b"jane", 0)
    assert any(isinstance(action, WakeAt) for action in held)
    assert sent([*held, *pipeline.close(Stream.STDERR, 1)], Stream.STDERR) == b"jane"


def guarded() -> TransferPipeline:
    return make(codec=UnreadCodec("rsync", uploads=False, paths="/a"), guard=True, greet=False)


def test_unread_output_passes_while_nothing_in_it_must_be_masked() -> None:
    pipeline = guarded()
    assert pipeline.start(0) == [Open()]
    data = bytes(range(256)) * 50
    got = sent(pipeline.receive(Stream.STDOUT, data + b"jane", 0), Stream.STDOUT)
    got += sent(pipeline.close(Stream.STDOUT, 1), Stream.STDOUT)
    assert got == data + b"jane"


def test_unread_output_ends_before_the_first_value_goes_out() -> None:
    pipeline = guarded()
    pipeline.start(0)
    first = pipeline.receive(Stream.STDOUT, b"some text, jane.doe", 0)
    assert b"jane" not in sent(first, Stream.STDOUT)
    with pytest.raises(AccessDenied, match="must be masked"):
        pipeline.receive(Stream.STDOUT, b"@example.com, more", 0)


def test_the_end_tells_of_unread_copies() -> None:
    pipeline = guarded()
    pipeline.start(0)
    pipeline.receive(Stream.STDOUT, b"12345 ", 0)
    (journal,) = (action for action in pipeline.finish(1) if isinstance(action, Journal))
    assert (journal.kind, journal.facts["path"], journal.facts["size"]) == (EventType.FILE_DOWNLOAD, "/a", 6)


def test_a_decision_nobody_asked_for_is_a_defect() -> None:
    with pytest.raises(LocalProtocolError):
        make().resolve(Allowed(), 0)


def test_reads_pass_as_they_are() -> None:
    pipeline = make()
    pipeline.receive(Stream.STDIN, open_(1, b"/a", READ), 0)
    pipeline.receive(Stream.STDOUT, handle(1, b"h"), 0)
    raw = read(2, b"h", 0, 100) + read(3, b"h", 100, 100)
    assert pipeline.receive(Stream.STDIN, raw, 0) == [Send(Stream.STDIN, raw)]
