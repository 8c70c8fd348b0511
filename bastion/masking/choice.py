"""What masking is in force for one caller on one target: `[masking]`, and what the target and the caller's roles say.

Each key for itself: what is said by the target or by roles takes the place of what `[masking]` says; where several of
them say something, the strictest counts. That is for detectors all that any of them names; of styles, ways with files,
encoded output and full-screen programs the one that shows less; a caller sees values in clear, or may ask to, only
where all that say something let them. Only a target may soften `on_error`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from bastion.config.schema import ENCODED, FULLSCREEN, Config, MaskingChoice, MaskingConfig, Target

T = TypeVar("T")

# From the weakest
_STYLES = ("general", "partial", "pseudonym", "fixed", "tag")
_FILES = ("pass", "mask", "refuse")


def in_force(config: Config, target: Target, roles: Sequence[str]) -> MaskingConfig:
    """Return `[masking]` as it is for callers with these roles (those that lead to the target) there."""
    base = config.masking
    choices = [target.masking, *(config.roles[name].masking for name in roles if name in config.roles)]

    def pick(read: Callable[[MaskingChoice], T | None], strictest: Callable[[list[T]], T], default: T) -> T:
        said = [value for choice in choices if (value := read(choice)) is not None]
        return strictest(said) if said else default

    return replace(
        base,
        detectors=pick(lambda choice: choice.detectors, _all, base.detectors),
        style=pick(lambda choice: choice.style, lambda said: max(said, key=_STYLES.index), base.style),
        unmasked_groups=pick(lambda choice: choice.unmasked_groups, _common, base.unmasked_groups),
        on_error=target.masking.on_error or base.on_error,
        files=pick(lambda choice: choice.files, lambda said: max(said, key=_FILES.index), base.files),
        encoded=pick(lambda choice: choice.encoded, lambda said: max(said, key=ENCODED.index), base.encoded),
        fullscreen=pick(
            lambda choice: choice.fullscreen, lambda said: max(said, key=FULLSCREEN.index), base.fullscreen
        ),
        approvers=pick(lambda choice: choice.approvers, _all, base.approvers),
        unmask=pick(lambda choice: choice.unmask, all, base.unmask),
    )


def _all(said: list[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in said for name in names))


def _common(said: list[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(name for name in said[0] if all(name in names for names in said))
