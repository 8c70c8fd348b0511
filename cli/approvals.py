"""How an approval is shown, the same in listings, details and the live screen."""

import shlex
from datetime import datetime

from bastion.model import rfc3339
from bastion.policy.understanding import Understanding
from bastion.store.base import ApprovalRow, ApprovalState
from cli.console import as_json_text, as_text, length, moment


def as_json(row: ApprovalRow) -> dict[str, object]:
    """Return the fields of the contract and a few more. Bytes that aren't UTF-8 become backslash escapes."""
    return {
        "id": row.id,
        "state": str(row.state),
        "rule": row.rule,
        "requester": row.requester,
        "issuer": row.issuer,
        "kind": str(row.kind),
        "target": row.target,
        "login": row.login,
        "channel": row.channel,
        "command": as_json_text(row.command),
        "reason": row.reason,
        "approvers": list(row.approvers),
        "approvals": row.approvals,
        "scope": str(row.scope),
        "session": row.session,
        "decisions": [
            {
                "who": decision.who,
                "issuer": decision.issuer,
                "approve": decision.approve,
                "reason": decision.reason,
                "time": rfc3339(decision.time),
            }
            for decision in row.decisions
        ],
        "created": rfc3339(row.created),
        "expires": rfc3339(row.expires),
    }


MOST = 20  # commands and doubts that are shown of one request


def summary(row: ApprovalRow, now: datetime, understood: Understanding | None) -> list[tuple[str, str]]:
    """Return one approval as (name, value) lines, the most important first. Values are not made safe yet.

    `understood` is what its command would run, None where it is about no command.
    """
    is_open = row.state in {ApprovalState.PENDING, ApprovalState.APPROVED}
    left = f" ({length((row.expires - now).total_seconds())} left)" if is_open else ""
    lines = [
        ("approval", row.id),
        ("state", str(row.state)),
        ("command", as_text(row.command)),
        ("target", f"{row.login}@{row.target}" if row.login else row.target),
        ("channel", row.channel),
        ("asked by", f"{row.requester} ({row.kind}, {row.issuer})"),
        ("rule", row.rule),
        ("reason", row.reason or "-"),
        ("approvers", f"{', '.join(row.approvers)} ({row.approvals} needed)"),
        ("asked", moment(row.created)),
        ("expires", moment(row.expires) + left),
        ("session", row.session or "-"),
    ]
    lines += _understood(understood)
    for decision in row.decisions:
        verb = "approved" if decision.approve else "denied"
        because = f": {decision.reason}" if decision.reason else ""
        lines.append((verb, f"{decision.who}, {moment(decision.time)}{because}"))
    return lines


def _understood(understood: Understanding | None) -> list[tuple[str, str]]:
    """Return each command that would run, and each reason why that is not certain: what to look at twice."""
    if understood is None:
        return []
    runs = [("would run", shlex.join(command.shown)) for command in understood.commands]
    doubts = [("not certain", f"{item.detail} ({item.reason})") for item in understood.opaque]
    cut = [("…", f"{len(found) - MOST} more") for found in (runs, doubts) if len(found) > MOST]
    return [*runs[:MOST], *doubts[:MOST], *cut]


def explained(understood: Understanding | None) -> dict[str, object]:
    """Return the same for programs: `commands` as argument lists, `opaque` as objects with `reason` and `detail`."""
    facts = understood.as_json() if understood is not None else {}
    return {"commands": facts.get("commands", []), "opaque": facts.get("opaque", [])}
