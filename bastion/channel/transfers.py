"""What a channel that transfers files gets: its codec, the rights and rules that apply, how its files are masked."""

from collections.abc import Callable

from bastion.channel.masks import build_masking
from bastion.channel.requests import ChannelRequest
from bastion.channel.services import Ruling
from bastion.inspectors.transfer import TransferPipeline
from bastion.masking.files import is_text
from bastion.model import TRANSFERS, Action, ChannelKind, Grant, Verdict
from bastion.policy.rules import CommandContext
from bastion.policy.transfers import Files, transfer_rules
from bastion.policy.understanding import literal
from bastion.protocols.sftp import SFTPCodec
from bastion.protocols.transfer import FileMasking, Operation


def sftp_pipeline(ruling: Ruling, grant: Grant, request: ChannelRequest) -> TransferPipeline:
    """Return the pipeline of an sftp channel; whether it opens at all is asked first."""
    return TransferPipeline(
        SFTPCodec(file_masking(ruling, grant)),
        build_masking(ruling, grant, terminal=False),
        rights(grant),
        judge(ruling, grant, request.kind, grant.default),
        cleaner(ruling),
        request.command,
    )


def rights(grant: Grant) -> frozenset[ChannelKind]:
    """Return which ways files may go."""
    return frozenset(kind for kind in TRANSFERS if grant.opens(kind))


def judge(ruling: Ruling, grant: Grant, kind: ChannelKind, default: Action) -> Callable[[Operation], Verdict]:
    """Return what the rules say of operations on a channel of this kind."""
    rules = transfer_rules(ruling.config.rules)
    context = CommandContext(grant.identity, ruling.config.targets[grant.target], grant.login, kind)

    def decide(operation: Operation) -> Verdict:
        files = Files(operation.needs, tuple(literal(path) for path in operation.paths), tree=operation.tree)
        return rules.decide(context, files, default)

    return decide


def file_masking(ruling: Ruling, grant: Grant) -> FileMasking | None:
    """Return how downloads are masked; None where they are not."""
    masking = ruling.config.masking
    clear = not set(masking.unmasked_groups).isdisjoint(grant.identity.groups)
    new = ruling.masking.file_masker
    if clear or masking.files == "pass" or new is None:
        return None
    return FileMasking(new, is_text) if masking.files == "refuse" else FileMasking(new)


def cleaner(ruling: Ruling) -> Callable[[bytes], bytes]:
    """Return what masks a line of the recording."""

    def clean(line: bytes) -> bytes:
        masker = ruling.masking.masker(interactive=False)
        return line if masker is None else masker.feed(line) + masker.end()

    return clean
