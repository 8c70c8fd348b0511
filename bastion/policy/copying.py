"""Which commands copy files over their standard input and output: the far halves of scp, rsync, sftp and git.

Read from what a command text would run, so that quotes, wrappers and nested shells hide nothing that the analysis can
follow. Programs that copy in other ways (`cat`, `tar`, `base64`) are commands like all others: `exec` lets files pass.
"""

from dataclasses import dataclass

from bastion.model import TRANSFERS, ChannelKind
from bastion.policy.state import ANYWHERE
from bastion.policy.understanding import Command, Understanding, Word

_DOWNLOAD = frozenset({ChannelKind.DOWNLOAD})
_UPLOAD = frozenset({ChannelKind.UPLOAD})
_QUOTES = b"'\"\\"
_NAMES = (b"scp", b"rsync", b"sftp", b"git-upload-pack", b"git-receive-pack")


@dataclass(frozen=True, slots=True)
class Copy:
    """The far half of a copying program.

    `program` is scp, rsync, sftp or git. `ways` is which way files go (none for git, which moves objects of its own and
    needs `exec` alone), `paths` are operands, read in `directories`. `tree`: whole folders may be meant. `plain`: it is
    all that the command text runs. `packed`: what passes is compressed.
    """

    program: str
    ways: frozenset[ChannelKind]
    paths: tuple[Word, ...]
    directories: tuple[Word, ...]
    tree: bool
    plain: bool
    packed: bool = False

    @property
    def shown(self) -> tuple[str, ...]:
        """The paths for people."""
        return tuple(path.shown for path in self.paths)


def may_copy(command: bytes) -> bool:
    """Whether a command text is worth reading for copies at all."""
    bare = command.translate(None, _QUOTES)
    return any(name in bare for name in _NAMES)


def copies(understanding: Understanding) -> list[Copy]:
    """Return the copies a command text would make; a text that cannot be read at all may be any."""
    if not understanding.commands and understanding.opaque:
        return [Copy("", TRANSFERS, (ANYWHERE,), (), tree=True, plain=False)]
    found = (
        _copy(command, plain=_is_alone(place, understanding)) for place, command in enumerate(understanding.commands)
    )
    return [copy for copy in found if copy is not None]


def _is_alone(place: int, understanding: Understanding) -> bool:
    """Whether a command is all that would run. What rsync's far half is given as a remote shell, it never runs."""
    others = (command for other, command in enumerate(understanding.commands) if other != place)
    started = all(command.parent == place for command in others)
    return started and not understanding.opaque and not understanding.commands[place].redirections


def _copy(command: Command, *, plain: bool) -> Copy | None:
    name = (command.argv[0].text or "").rsplit("/", 1)[-1] if command.argv else ""
    if name == "scp":
        return _scp(command, plain=plain)
    if name == "rsync":
        return _rsync(command, plain=plain)
    if name in ("sftp-server", "internal-sftp"):
        return Copy("sftp", TRANSFERS, (), command.cwd, tree=False, plain=plain)
    if name in ("git-upload-pack", "git-receive-pack"):
        return Copy("git", frozenset(), (), command.cwd, tree=True, plain=plain, packed=True)
    return None


def _scp(command: Command, *, plain: bool) -> Copy | None:
    letters, words = "", list(command.argv[1:])
    while words and (text := words[0].text or "").startswith("-"):
        words.pop(0)
        if text == "--":
            break
        letters += text[1:]
    if "t" in letters:
        ways = _UPLOAD
    elif "f" in letters:
        ways = _DOWNLOAD
    else:
        return None  # the near half: it copies from here to elsewhere by itself
    return Copy("scp", ways, tuple(words), command.cwd, tree="r" in letters, plain=plain)


def _rsync(command: Command, *, plain: bool) -> Copy | None:
    texts = [word.text for word in command.argv[1:]]
    if "--server" not in texts:
        return None
    if "--daemon" in texts:
        return Copy("rsync", TRANSFERS, (ANYWHERE,), (), tree=True, plain=plain)
    ways = _DOWNLOAD if "--sender" in texts else _UPLOAD
    operands = [word for word, text in zip(command.argv[1:], texts, strict=True) if not (text or "").startswith("-")]
    packed = any(_has(text, "z", ("--compress", "--new-compress", "--old-compress", "--zc", "--zl")) for text in texts)
    # What is uploaded may go into a folder of the operand's name.
    tree = ways == _UPLOAD or any(_has(text, "rd", ("--recursive", "--dirs", "--files-from")) for text in texts)
    return Copy("rsync", ways, tuple(operands[1:]) or (ANYWHERE,), command.cwd, tree=tree, plain=plain, packed=packed)


def _has(option: str | None, letters: str, names: tuple[str, ...]) -> bool:
    """Whether a word of rsync's command may be one of these options; behind `e` capabilities stand."""
    if option is None or option.startswith(names):
        return True
    flags = option[1:].partition("e")[0] if option.startswith("-") and not option.startswith("--") else ""
    return any(letter in flags for letter in letters)
