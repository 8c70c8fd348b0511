"""Which targets a list of selectors picks, and what a role gives there; roles and rules share this one reading. Pure.

A name is a glob on the target's name, compared with regard to case; labels must all be equal. A list picks what any
of its selectors picks, so an empty list picks nothing: where "no condition" means everything, the caller says so.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from bastion.config import Role, Selector, Target
from bastion.model import ChannelKind


def selects(selectors: Iterable[Selector], target: Target) -> bool:
    """Return whether any of the selectors picks the target."""
    return any(_picks(selector, target) for selector in selectors)


def channels_on(role: Role, target: Target) -> frozenset[ChannelKind]:
    """Return the kinds of channel the role gives on the target to the logins it names, none where it gives nothing.

    On ssh targets a role without logins gives nothing. On others the account is the credential's, so that logins say
    nothing, and a forward is the one way in.
    """
    if not selects(role.targets, target):
        return frozenset()
    if target.protocol == "ssh":
        return role.channels if role.logins else frozenset()
    return role.channels & {ChannelKind.FORWARD}


def _picks(selector: Selector, target: Target) -> bool:
    if selector.name:
        return fnmatchcase(target.name, selector.name)
    # Without this a selector that says nothing would pick everything.
    return bool(selector.labels) and set(selector.labels) <= set(target.labels)
