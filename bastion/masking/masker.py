"""From the configuration to maskers: which detectors run, with which style and engine.

`MaskingPolicies` is made once for each version of the configuration; what of it is in force for a caller on a target is
a `MaskingPolicy`, which gives one fresh masker for each stream. What can be shared (compiled patterns) is made once for
each choice of detectors and engine and kept.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

from bastion.config.schema import Config, CustomDetector, MaskingConfig, Target
from bastion.masking.choice import in_force
from bastion.masking.custom import rows_of
from bastion.masking.detectors import ROWS
from bastion.masking.files import FileMasker
from bastion.masking.finder import Finder
from bastion.masking.stream import StreamMasker
from bastion.masking.styles import FixedStyle, style_for

DETECTORS = ("email", "phone", "iban", "card", "national-id", "ip", "mac", "secret", "name", "birth-date")
"""Names that `detectors` in the configuration may hold."""


class MaskingPolicy:
    """What is masked for a caller on a target, or by `[masking]` alone.

    Parameters
    ----------
    config: what is in force (`bastion.masking.choice`).
    key: the secret of pseudonyms; needed by the style `pseudonym` alone.
    engine: what `bastion.masking.engine.choose_engine` returned at start.

    Raises ConfigError where a detector or the style can't be had.
    """

    def __init__(self, config: MaskingConfig, key: bytes | None = None, engine: str = "hyperscan") -> None:
        self.config = config
        self.finder = finder_for(config.detectors, engine, config.custom) if config.is_on else None
        self._style = style_for(config.style, key)

    def masker(self, *, interactive: bool) -> StreamMasker | None:
        """Return a masker for one stream, or None when nothing is to be masked.

        `interactive` is whether a person types at the other end (a PTY).
        """
        return None if self.finder is None else StreamMasker(self.finder, self._style, interactive=interactive)

    def mask(self, text: bytes) -> bytes:
        """Return a whole text with its values replaced."""
        masker = self.masker(interactive=False)
        return text if masker is None else masker.feed(text) + masker.end()

    @property
    def file_masker(self) -> Callable[[], FileMasker] | None:
        """What makes a masker for one file, which keeps the file's length whatever the style; None as for `masker`."""
        finder = self.finder
        return None if finder is None else lambda: FileMasker(finder, FixedStyle(), interactive=False)


class MaskingPolicies:
    """What one version of the configuration masks, by target and role; each policy is made once.

    `base` is what `[masking]` alone says. Parameters are those of `MaskingPolicy`. Raises ConfigError where any of them
    can't be had.
    """

    def __init__(self, config: Config, key: bytes | None = None, engine: str = "hyperscan") -> None:
        self._config = config
        self._key = key
        self._engine = engine
        self._made: dict[MaskingConfig, MaskingPolicy] = {}
        self.base = self._policy(config.masking)
        for target in config.targets.values():
            self.of(target, ())

    def of(self, target: Target, roles: Sequence[str]) -> MaskingPolicy:
        """Return what is masked on a target for callers with these roles."""
        return self._policy(in_force(self._config, target, roles))

    def _policy(self, config: MaskingConfig) -> MaskingPolicy:
        made = self._made.get(config)
        if made is None:
            made = self._made[config] = MaskingPolicy(config, self._key, self._engine)
        return made


def build_masker(
    config: MaskingConfig, *, interactive: bool, key: bytes | None, engine: str = "hyperscan"
) -> StreamMasker | None:
    """Return a masker for one stream, or None when nothing is to be masked; see `MaskingPolicy`."""
    return MaskingPolicy(config, key, engine).masker(interactive=interactive)


@lru_cache(maxsize=16)
def finder_for(detectors: tuple[str, ...], engine: str, custom: tuple[CustomDetector, ...] = ()) -> Finder:
    """Return the finder for these detectors, made once. Raises ConfigError where one of the custom ones is refused."""
    rows = [row for row in ROWS if row.kind in detectors]
    for detector in custom:
        rows += rows_of(detector, DETECTORS)
    return Finder(rows, engine)
