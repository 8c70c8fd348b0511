"""Rows for tests of what keeps them; every field can be changed by name."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bastion.model import Kind
from bastion.store.base import ApprovalDecision, ApprovalRow, ApprovalState, CertificateRow, SessionRow

NOW = datetime(2026, 11, 22, 20, 49, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(minutes=10)


def approval(approval_id: str = "a1", request: str = "d1", **changes: object) -> ApprovalRow:
    row = ApprovalRow(
        id=approval_id,
        digest=request,
        state=ApprovalState.PENDING,
        rule="prod",
        requester="alice",
        issuer="corp",
        subject="s-alice",
        kind=Kind.AGENT,
        target="web-1",
        login="deploy",
        channel="exec",
        command=b"rm \xff\x00 x",
        reason="why",
        approvers=("sre", "dba"),
        approvals=1,
        created=NOW,
        expires=LATER,
    )
    return replace(row, **changes)  # type: ignore[arg-type]  # each test names fields that exist


def says(who: str, *, yes: bool = True, at: datetime = NOW, issuer: str = "corp") -> ApprovalDecision:
    return ApprovalDecision(who, issuer, f"s-{who}", yes, "because", at)


def session(session_id: str = "1", **changes: object) -> SessionRow:
    row = SessionRow(session_id, "c1", "alice", "corp", Kind.HUMAN, "web-1", "deploy", "exec", "uptime", NOW)
    return replace(row, **changes)  # type: ignore[arg-type]  # each test names fields that exist


def certificate(serial: int = 1, **changes: object) -> CertificateRow:
    row = CertificateRow(serial, "alice", "corp", "s-alice", Kind.HUMAN, "SHA256:x", NOW, LATER)
    return replace(row, **changes)  # type: ignore[arg-type]  # each test names fields that exist
