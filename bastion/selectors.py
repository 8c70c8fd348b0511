"""Which targets a list of selectors picks; roles and rules share this one reading. Pure.

A name is a glob on the target's name, compared with regard to case; labels must all be equal. A list picks what any
of its selectors picks, so an empty list picks nothing: where "no condition" means everything, the caller says so.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from bastion.config import Selector, Target


def selects(selectors: Iterable[Selector], target: Target) -> bool:
    """Return whether any of the selectors picks the target."""
    return any(_picks(selector, target) for selector in selectors)


def _picks(selector: Selector, target: Target) -> bool:
    if selector.name:
        return fnmatchcase(target.name, selector.name)
    # Without this a selector that says nothing would pick everything.
    return bool(selector.labels) and set(selector.labels) <= set(target.labels)
