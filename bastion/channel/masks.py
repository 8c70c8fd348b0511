"""Which maskers a channel gets: by configuration, and by who is looking."""

from bastion.channel.services import Ruling
from bastion.inspectors.mask import Masker, Masking
from bastion.model import Grant, Stream


def build_masking(ruling: Ruling, grant: Grant, *, terminal: bool) -> Masking:
    """Return the masking of a channel: none for members of `unmasked_groups`.

    Input is masked for the recording alone, for everyone: the target gets what was sent.
    """
    maskers: dict[Stream, Masker] = {}
    clear = not set(ruling.config.masking.unmasked_groups).isdisjoint(grant.identity.groups)
    for stream in (Stream.STDOUT, Stream.STDERR, Stream.STDIN):
        if clear and stream is not Stream.STDIN:
            continue
        masker = ruling.masking.masker(interactive=terminal)
        if masker is not None:
            maskers[stream] = masker
    return Masking(maskers, terminal=terminal)
