"""From the configuration to maskers: which detectors run, with which style and engine.

`MaskingPolicy` is made once for each version of the configuration and gives one fresh masker for each stream; what can
be shared (compiled patterns) is made once for each choice of detectors and engine and kept.
"""

from collections.abc import Callable
from functools import lru_cache

from bastion.config.schema import MaskingConfig
from bastion.masking.custom import CustomDetector, rows_of
from bastion.masking.detectors import ROWS
from bastion.masking.files import FileMasker
from bastion.masking.finder import Finder
from bastion.masking.stream import StreamMasker
from bastion.masking.styles import FixedStyle, style_for

DETECTORS = ("email", "phone", "iban", "card", "national-id", "ip", "mac", "secret")
"""Names that `detectors` in the configuration may hold."""


class MaskingPolicy:
    """What one version of the configuration masks.

    Parameters
    ----------
    config: `[masking]`.
    key: the secret of pseudonyms; needed by the style `pseudonym` alone.
    engine: what `bastion.masking.engine.choose_engine` returned at start.
    custom: detectors of the administrator's own.

    Raises ConfigError where a detector or the style can't be had.
    """

    def __init__(
        self,
        config: MaskingConfig,
        key: bytes | None = None,
        engine: str = "hyperscan",
        custom: tuple[CustomDetector, ...] = (),
    ) -> None:
        wanted = bool(config.detectors or custom)
        self._finder = finder_for(config.detectors, engine, custom) if wanted else None
        self._style = style_for(config.style, key)

    def masker(self, *, interactive: bool) -> StreamMasker | None:
        """Return a masker for one stream, or None when nothing is to be masked.

        `interactive` is whether a person types at the other end (a PTY).
        """
        return None if self._finder is None else StreamMasker(self._finder, self._style, interactive=interactive)

    @property
    def file_masker(self) -> Callable[[], FileMasker] | None:
        """What makes a masker for one file, which keeps the file's length whatever the style; None as for `masker`."""
        finder = self._finder
        return None if finder is None else lambda: FileMasker(finder, FixedStyle(), interactive=False)


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
