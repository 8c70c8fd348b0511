"""Reads `[masking]`, its own detectors, and `masking` of targets and roles.

A target or role says only what differs. Which of them counts is not decided here, but in `bastion.masking.choice`.
"""

from pathlib import Path
from typing import TypeVar

from bastion.config.schema import (
    DETECTORS,
    ENCODED,
    FILE_MASKING,
    FULLSCREEN,
    ON_ERROR,
    STYLES,
    Config,
    CustomDetector,
    MaskingChoice,
    MaskingConfig,
)
from bastion.config.secrets import resolve
from bastion.config.table import Findings, Reader, Table, join
from bastion.config.values import BadValueError, boolean, column, group, quoted, suggestion, text, word
from bastion.masking.custom import findings

T = TypeVar("T")

_LARGEST = 1024 * 1024  # bytes of a file of words
_NEED_APPROVERS = ("encoded", "fullscreen", "unmask")


def read_masking(root: Table, folder: Path) -> MaskingConfig:
    """Return `[masking]`; files of words are relative to `folder`. Findings go to the table."""
    if "masking" not in root:
        root.warn(
            "masking", "is missing, so that nothing is masked, neither on screens nor in recordings; write [masking]"
        )
    default = MaskingConfig(detectors=DETECTORS if "masking" in root else ())
    table = root.table("masking")
    custom = tuple(_custom(name, inner, folder) for name, inner in table.tables("custom", text).items())
    masking = MaskingConfig(
        detectors=table.several("detectors", _detector(custom), default.detectors),
        columns=table.several("columns", column),
        style=table.take("style", word(STYLES), default.style),
        unmasked_groups=table.several("unmasked_groups", group),
        on_error=table.take("on_error", _on_error, default.on_error),
        files=table.take("files", word(FILE_MASKING), default.files),
        encoded=table.take("encoded", word(ENCODED), default.encoded),
        fullscreen=table.take("fullscreen", word(FULLSCREEN), default.fullscreen),
        approvers=table.several("approvers", group),
        unmask=table.take("unmask", boolean, default.unmask),
        custom=custom,
    )
    if not masking.approvers:
        for key in _NEED_APPROVERS:
            if key in table and getattr(masking, key) in ("approve", True):
                table.error("approvers", f"is missing; name the groups that are asked because of {key}")
    table.finish()
    return masking


def read_choice(owner: Table, *, is_target: bool) -> MaskingChoice:
    """Return `masking` of a target or a role; findings go to its table."""
    table = owner.table("masking")
    if not is_target:
        table.forbid("on_error", "is for targets; a role can't choose it")
    choice = MaskingChoice(
        detectors=_said(table, "detectors", text),
        style=table.take("style", _maybe(word(STYLES)), None),
        unmasked_groups=_said(table, "unmasked_groups", group),
        on_error=table.take("on_error", _maybe(word(ON_ERROR)), None) if is_target else None,
        files=table.take("files", _maybe(word(FILE_MASKING)), None),
        encoded=table.take("encoded", _maybe(word(ENCODED)), None),
        fullscreen=table.take("fullscreen", _maybe(word(FULLSCREEN)), None),
        approvers=_said(table, "approvers", group),
        unmask=table.take("unmask", _maybe(boolean), None),
    )
    if choice.on_error == "pass":
        table.warn("on_error", "lets output through in clear when masking fails; each time is journalled")
    table.finish()
    return choice


def check_choices(config: Config, findings: Findings) -> None:
    """Report what `masking` of a target or role names that is not there."""
    known = (*DETECTORS, *(detector.name for detector in config.masking.custom))
    owners: list[tuple[str, MaskingChoice]] = [
        *((join("targets", target.name), target.masking) for target in config.targets.values()),
        *((join("roles", role.name), role.masking) for role in config.roles.values()),
    ]
    for path, choice in owners:
        for name in choice.detectors or ():
            if name not in known:
                findings.error(f"{path}.masking.detectors", f"there is no {quoted(name)}{suggestion(name, known)}")
        asks = [key for key in _NEED_APPROVERS if getattr(choice, key) in ("approve", True)]
        if asks and not choice.approvers and not config.masking.approvers:
            findings.error(f"{path}.masking.approvers", f"is missing; name the groups that are asked for {asks[0]}")


def _maybe(read: Reader[T]) -> Reader[T | None]:
    return read


def _said(table: Table, key: str, read: Reader[T]) -> tuple[T, ...] | None:
    """Return a list, None where the key is missing: an empty list says something."""
    found = table.several(key, read)
    return found if key in table else None


def _detector(custom: tuple[CustomDetector, ...]) -> Reader[str]:
    return word((*DETECTORS, *(detector.name for detector in custom)))


def _on_error(value: object) -> str:
    if text(value) != "close":
        raise BadValueError('must be "close": what cannot be masked is never passed through')
    return "close"


def _custom(name: str, table: Table, folder: Path) -> CustomDetector:
    words = table.several("words", text)
    path = table.take("words_file", lambda value: resolve(folder, value), Path())
    if "words_file" in table and table.is_sound:
        words += _words(table, path)
    detector = CustomDetector(name, table.one_or_more("patterns", text), table.several("context", text), words)
    if table.is_sound:
        for key, finding in findings(detector, DETECTORS):
            if key:
                table.error(key, finding)
            else:
                table.fail(finding)
    table.finish()
    return detector


def _words(table: Table, path: Path) -> tuple[str, ...]:
    """Return the lines of a file of words, without blank ones and those that begin with #."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        lines = content.decode("utf-8-sig").splitlines()
    except OSError as error:
        table.error("words_file", f"{quoted(str(path))} cannot be read: {(error.strerror or 'error').lower()}")
        return ()
    except UnicodeDecodeError:
        table.error("words_file", f"{quoted(str(path))} is not utf-8 text")
        return ()
    if len(content) > _LARGEST:
        table.error("words_file", f"{quoted(str(path))} is larger than {_LARGEST // 1024} kib")
        return ()
    stripped = (line.strip() for line in lines)
    return tuple(line for line in stripped if line and not line.startswith("#"))
