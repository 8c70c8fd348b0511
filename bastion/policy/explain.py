"""What `bastion policy explain` shows, as plain data; drawing it is the CLI's."""

from collections.abc import Mapping

from bastion.model import Verdict
from bastion.policy.understanding import Understanding


def explain(verdict: Verdict, understanding: Understanding) -> Mapping[str, object]:
    """Return the object that `--json` prints: `verdict rule approvers reason commands opaque`, and details.

    `commands` are argument lists; `details` tells for each where it may run, whose output it reads, and its files.
    """
    return {
        "verdict": verdict.action.value,
        "rule": verdict.rule,
        "approvers": list(verdict.approvers),
        "reason": verdict.reason,
        **{key: value for key, value in understanding.as_json().items() if key != "text"},
        "details": [
            {
                "argv": command.shown,
                "cwd": [place.shown for place in command.cwd],
                "feeds": list(command.feeds),
                "files": [f"{item.operator} {item.target.shown}" for item in command.redirections],
                "sql": [text.text for text in command.sql],
                "parent": command.parent,
            }
            for command in understanding.commands
        ],
    }
