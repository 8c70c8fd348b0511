"""Which maskers a channel gets: by configuration, and by who is looking."""

from bastion.channel.services import Ruling
from bastion.inspectors.mask import Masker, Masking
from bastion.model import Grant, Stream


def build_masking(ruling: Ruling, grant: Grant, *, terminal: bool) -> Masking:
    """Return the masking of a channel; members of `unmasked_groups` see everything, their recordings stay masked.

    Input is masked for the recording alone, for everyone: the target gets what was sent.
    """
    policy = ruling.masks(grant)
    maskers: dict[Stream, Masker] = {}
    for stream in Stream:
        masker = policy.masker(interactive=terminal)
        if masker is not None:
            maskers[stream] = masker
    return Masking(maskers, terminal=terminal, clear=is_clear(ruling, grant))


def is_clear(ruling: Ruling, grant: Grant) -> bool:
    """Whether the caller sees everything."""
    return not set(ruling.masks(grant).config.unmasked_groups).isdisjoint(grant.identity.groups)
