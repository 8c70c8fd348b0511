"""The lines a caller reads when a command does not simply run. Fixed by the contract; one place for all of them.

Programs that ask for it get the same as JSON, on a line of its own.

What people wrote (rule reasons, names) is shown with control characters made visible, so that it can't forge a line.
"""

import json

from bastion.inspectors.actions import (
    DeniedByPerson,
    DeniedByRule,
    ExitStatus,
    Lapsed,
    Unanswered,
    Waiting,
    Withdrawn,
)

STATUS = {
    DeniedByRule: ExitStatus.DENIED,
    DeniedByPerson: ExitStatus.DENIED,
    Unanswered: ExitStatus.TRY_AGAIN,
    Lapsed: ExitStatus.TRY_AGAIN,
    Withdrawn: ExitStatus.INTERRUPTED,
}
"""The exit status of a command that does not run, by the decision."""

Worded = DeniedByRule | DeniedByPerson | Waiting | Unanswered | Lapsed | Withdrawn


def wording(decision: Worded) -> str:
    """Return the line for a decision, without a line end."""
    match decision:
        case DeniedByRule(rule, reason):
            return f"bastion: denied by rule {visible(rule)}: {visible(reason)}"
        case DeniedByPerson(approval, who, reason):
            return f"bastion: approval {approval} denied by {visible(who)}: {visible(reason)}"
        case Waiting(approval, rule, approvers, until):
            groups = ",".join(visible(group) for group in approvers)
            return f"bastion: waiting for approval {approval} (rule {visible(rule)}, approvers {groups}, until {until})"
        case Unanswered(approval):
            return f"bastion: approval {approval} is still open; run the same command again once it is approved"
        case Lapsed(approval):
            return f"bastion: approval {approval} is used up or expired; run the command again to ask anew"
        case Withdrawn(approval):
            return f"bastion: approval {approval} withdrawn"


def machine_line(decision: Worded) -> str:
    """Return a decision for programs: `bastion: ` and a JSON object in ASCII, without a line end.

    `approval` is the request's id, null where a rule alone denies; `state` is waiting, denied, open, lapsed or
    withdrawn. Waiting comes with `rule`, `approvers` and `until`, denied with `reason` and `rule` or `by`.
    """
    said: dict[str, object]
    match decision:
        case DeniedByRule(rule, reason):
            said = {"approval": None, "state": "denied", "rule": rule, "reason": reason}
        case DeniedByPerson(approval, who, reason):
            said = {"approval": approval, "state": "denied", "by": who, "reason": reason}
        case Waiting(approval, rule, approvers, until):
            said = {"approval": approval, "state": "waiting", "rule": rule, "approvers": approvers, "until": until}
        case Unanswered(approval):
            said = {"approval": approval, "state": "open"}
        case Lapsed(approval):
            said = {"approval": approval, "state": "lapsed"}
        case Withdrawn(approval):
            said = {"approval": approval, "state": "withdrawn"}
    return f"bastion: {json.dumps(said)}"


def visible(text: str) -> str:
    """Return the text with everything but printable characters escaped; str.isprintable refuses bidi controls too."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
