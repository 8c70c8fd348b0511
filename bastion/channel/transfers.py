"""What a channel that transfers files gets: its codec, the rights and rules that apply, how its files are masked."""

from collections.abc import Callable

from bastion.channel.masks import is_clear
from bastion.channel.requests import ChannelRequest
from bastion.channel.services import Ruling
from bastion.inspectors.guards import MASKING
from bastion.inspectors.mask import Masker, Masking
from bastion.inspectors.transfer import TransferPipeline
from bastion.masking.files import is_text
from bastion.model import TRANSFERS, Action, ChannelKind, Grant, Stream, Verdict
from bastion.policy.copying import Copy
from bastion.policy.rules import CommandContext
from bastion.policy.transfers import Files, transfer_rules
from bastion.policy.understanding import literal
from bastion.protocols.scp import SCPCodec
from bastion.protocols.sftp import SFTPCodec
from bastion.protocols.transfer import FileMasking, Operation, TransferCodec, shown
from bastion.protocols.unread import UnreadCodec

ROLES = "roles"
"""Named in the place of a rule where no role grants what is asked for."""


def sftp_pipeline(ruling: Ruling, grant: Grant, request: ChannelRequest, *, clear: bool) -> TransferPipeline:
    """Return the pipeline of an sftp channel; whether it opens at all is asked first."""
    codec = SFTPCodec(file_masking(ruling, grant, clear=clear))
    return _pipeline(codec, ruling, grant, request, request.command, grant.default, clear=clear)


def copy_pipeline(
    ruling: Ruling, grant: Grant, request: ChannelRequest, copy: Copy, *, clear: bool
) -> TransferPipeline:
    """Return the pipeline of an exec channel whose command copies files, and was allowed."""
    uploads = ChannelKind.DOWNLOAD not in copy.ways
    codec: TransferCodec
    if copy.program == "sftp":
        codec = SFTPCodec(file_masking(ruling, grant, clear=clear))
    elif copy.program == "scp":
        base = copy.paths[0].shown if copy.paths else "."
        codec = SCPCodec(
            uploads=uploads, base=base, recursive=copy.tree, masking=file_masking(ruling, grant, clear=clear)
        )
    else:
        paths = " ".join(shown(path) for path in copy.shown)
        codec = UnreadCodec(copy.program, uploads=uploads if copy.ways else None, paths=paths)
    guard = copy.program == "rsync" and not uploads and file_masking(ruling, grant, clear=clear) is not None
    # The command as a whole was decided, so that only rules on files are left.
    return _pipeline(codec, ruling, grant, request, None, Action.ALLOW, clear=clear, guard=guard)


def judge_copy(ruling: Ruling, grant: Grant, copy: Copy) -> Verdict:
    """Return what roles, masking and rules say of a command that copies files, besides the rules on commands."""
    if missing := copy.ways - rights(grant):
        return _not_granted(missing)
    if ChannelKind.DOWNLOAD in copy.ways and file_masking(ruling, grant, clear=is_clear(ruling, grant)) is not None:
        if copy.packed:
            return Verdict(
                Action.DENY, MASKING, "what comes compressed can't be masked; use rsync without -z, sftp or scp"
            )
        if copy.program in ("scp", "rsync") and ruling.masks(grant).config.files == "refuse":
            return Verdict(Action.DENY, MASKING, "only sftp can tell what is no text; use sftp")
    if not copy.paths:
        return Verdict(Action.ALLOW)
    # scp names each file below a folder, and is asked about each; rsync does not.
    tree = copy.tree and copy.program != "scp"
    files = Files(copy.ways, copy.paths, copy.directories, tree=tree)
    return transfer_rules(ruling.config.rules).decide(_context(ruling, grant, ChannelKind.EXEC), files, Action.ALLOW)


def allows_copy(ruling: Ruling, grant: Grant, copy: Copy) -> bool:
    """Whether rules allow the files of a command by name, so that the default does not matter."""
    files = Files(copy.ways, copy.paths, copy.directories, tree=copy.tree)
    context = _context(ruling, grant, ChannelKind.EXEC)
    return copy.plain and bool(copy.paths) and transfer_rules(ruling.config.rules).allows(context, files)


def rights(grant: Grant) -> frozenset[ChannelKind]:
    """Return which ways files may go."""
    return frozenset(kind for kind in TRANSFERS if grant.opens(kind))


def file_masking(ruling: Ruling, grant: Grant, *, clear: bool) -> FileMasking | None:
    """Return how downloads are masked; None where they are not."""
    policy = ruling.masks(grant)
    new = policy.file_masker
    if clear or policy.config.files == "pass" or new is None:
        return None
    return FileMasking(new, is_text) if policy.config.files == "refuse" else FileMasking(new)


def _pipeline(
    codec: TransferCodec,
    ruling: Ruling,
    grant: Grant,
    request: ChannelRequest,
    question: bytes | None,
    default: Action,
    *,
    clear: bool,
    guard: bool = False,
) -> TransferPipeline:
    maskers: dict[Stream, Masker] = {}
    policy = ruling.masks(grant)
    if (stderr := policy.masker(interactive=False)) is not None:
        maskers[Stream.STDERR] = stderr
    if guard and policy.file_masker is not None:
        maskers[Stream.STDOUT] = policy.file_masker()
    masking = Masking(maskers, terminal=False, clear=clear)
    judge, clean = _judge(ruling, grant, request.kind, default), policy.mask
    return TransferPipeline(codec, masking, judge, clean, question, guard=guard)


def _judge(ruling: Ruling, grant: Grant, kind: ChannelKind, default: Action) -> Callable[[Operation], Verdict]:
    rules, context, granted = transfer_rules(ruling.config.rules), _context(ruling, grant, kind), rights(grant)

    def decide(operation: Operation) -> Verdict:
        if missing := operation.needs - granted:
            return _not_granted(missing)
        files = Files(operation.needs, tuple(literal(path) for path in operation.paths), tree=operation.tree)
        return rules.decide(context, files, default)

    return decide


def _context(ruling: Ruling, grant: Grant, kind: ChannelKind) -> CommandContext:
    return CommandContext(grant.identity, ruling.config.targets[grant.target], grant.login, kind)


def _not_granted(missing: frozenset[ChannelKind]) -> Verdict:
    return Verdict(Action.DENY, ROLES, f"{' and '.join(sorted(missing))} is not granted to you here")
