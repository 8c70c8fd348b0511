"""Which maskers and guards a channel gets: by configuration, and by who is looking."""

from bastion.channel.requests import ChannelRequest
from bastion.channel.services import Ruling
from bastion.config.schema import MaskingConfig
from bastion.inspectors.base import ChannelPipeline
from bastion.inspectors.guards import MASKING, Guard, GuardedPipeline
from bastion.inspectors.mask import Masker, Masking
from bastion.inspectors.messages import visible
from bastion.inspectors.screen import ScreenWatch
from bastion.masking.disguise import DisguiseWatch
from bastion.model import Action, Grant, Stream, Verdict
from bastion.policy.rules import DEFAULT_TIMEOUT

DUMB = "dumb"
_LONGEST_REASON = 900  # characters


def build_masking(ruling: Ruling, grant: Grant, *, terminal: bool, clear: bool) -> Masking:
    """Return the masking of a channel. With `clear` the caller sees everything, and the recording stays masked.

    Input is masked for the recording alone, for everyone: the target gets what was sent.
    """
    policy = ruling.masks(grant)
    maskers: dict[Stream, Masker] = {}
    for stream in Stream:
        masker = policy.masker(interactive=terminal)
        if masker is not None:
            maskers[stream] = masker
    return Masking(maskers, terminal=terminal, clear=clear, lenient=policy.config.on_error == "pass")


def is_clear(ruling: Ruling, grant: Grant) -> bool:
    """Whether the caller sees everything, or nothing is masked."""
    config = ruling.masks(grant).config
    return not config.is_on or not set(config.unmasked_groups).isdisjoint(grant.identity.groups)


def guarded(inner: ChannelPipeline, ruling: Ruling, grant: Grant, request: ChannelRequest) -> ChannelPipeline:
    """Return the pipeline with guards before it, for a caller who does not see everything."""
    policy, terminal = ruling.masks(grant), request.terminal is not None
    config, guards = policy.config, dict[Stream, list[Guard]]()
    for stream in (Stream.STDOUT, Stream.STDERR):
        watches = guards.setdefault(stream, [])
        if terminal and config.fullscreen != "allow" and stream is Stream.STDOUT:
            watches.append(Guard(ScreenWatch(), _verdict(config, config.fullscreen)))
        if policy.finder is not None and config.encoded != "pass":
            watches.append(Guard(DisguiseWatch(policy.finder, terminal=terminal), _verdict(config, config.encoded)))
    if not any(guards.values()):
        return inner
    return GuardedPipeline(inner, guards, request.command, terminal=terminal)


def unmasking(ruling: Ruling, grant: Grant, request: ChannelRequest) -> Verdict | None:
    """Return what is said to a caller who asks to see values in clear; None where nothing is asked, or needed."""
    reason = visible(request.unmask)[:_LONGEST_REASON]
    if not reason or is_clear(ruling, grant):
        return None
    config = ruling.masks(grant).config
    if not config.unmask:
        return Verdict(Action.DENY, MASKING, "BASTION_UNMASK: nobody may ask to see values in clear here")
    asked = f"asks to see values in clear: {reason}"
    return Verdict(Action.APPROVE, "unmask", asked, config.approvers, 1, DEFAULT_TIMEOUT)


def is_dumb(ruling: Ruling, grant: Grant) -> bool:
    """Whether terminals are to be dumb for this caller."""
    return ruling.masks(grant).config.fullscreen == DUMB and not is_clear(ruling, grant)


def _verdict(config: MaskingConfig, policy: str) -> Verdict:
    if policy == "approve":
        return Verdict(Action.APPROVE, MASKING, "", config.approvers, 1, DEFAULT_TIMEOUT)
    return Verdict(Action.DENY, MASKING)
