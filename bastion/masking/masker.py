"""From the configuration to maskers: which detectors run, with which style and engine.

`build_masker` gives one fresh masker for one stream; what can be shared (compiled patterns) is made once for each choice
of detectors and engine and kept.
"""

from functools import lru_cache

from bastion.config import MaskingConfig
from bastion.masking.detectors import ROWS
from bastion.masking.finder import Finder
from bastion.masking.stream import StreamMasker
from bastion.masking.styles import FixedStyle, Style, TagStyle

DETECTORS = ("email", "phone", "iban", "card", "national-id", "ip", "mac", "secret")
"""Names that `detectors` in the configuration may hold."""


@lru_cache(maxsize=16)
def finder_for(detectors: tuple[str, ...], engine: str) -> Finder:
    """Return the finder for these detectors, made once."""
    return Finder([row for row in ROWS if row.kind in detectors], engine)


def style_for(name: str, key: bytes | None) -> Style:
    """Return the style of this name (tag, fixed, partial, pseudonym)."""
    del key
    return FixedStyle() if name == "fixed" else TagStyle()


def build_masker(
    config: MaskingConfig, *, interactive: bool, key: bytes | None, engine: str = "hyperscan"
) -> StreamMasker | None:
    """Return a masker for one stream, or None when nothing is to be masked.

    `interactive` is whether a person types at the other end (a PTY); `key` is the secret of pseudonyms; `engine` is
    what `bastion.masking.engine.choose_engine` returned at start.
    """
    if not config.detectors:
        return None
    return StreamMasker(finder_for(config.detectors, engine), style_for(config.style, key), interactive=interactive)
