"""How the names, groups and subjects of users are spelt, wherever they come from.

Used for tokens on the way in, for certificates on the way out and for certificates presented. It decides about texts
alone and knows nothing of issuers or keys; how things in bastion.toml are called is in `bastion.names`. Names are
plain ASCII because people type and compare them; groups and subjects are what the identity provider says, so they may
hold any letters, but nothing that could forge a line in a log, a list or a terminal.
"""

import re
import unicodedata

MAX_GROUPS = 200
MAX_GROUPS_BYTES = 16 * 1024
MAX_GROUP = 256
MAX_SUBJECT = 255  # OpenID Connect Core, section 2

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})  # controls, bidi marks, lone surrogates


def check_name(name: str) -> str:
    """Return the name of a user as it is, or raise ValueError: 1-128 of `A-Za-z0-9._@+-`, first a letter or digit."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{quoted(name)} is no user name: 1 to 128 of the characters A-Z a-z 0-9 . _ @ + - are")
    return name


def check_subject(subject: str) -> str:
    """Return the `sub` of a user as it is, or raise ValueError where it is empty, too long or not printable."""
    if not 0 < len(subject) <= MAX_SUBJECT or not _is_clean(subject):
        raise ValueError(f"{quoted(subject)} is no subject: 1 to {MAX_SUBJECT} printable characters are")
    return subject


def check_groups(groups: tuple[str, ...]) -> tuple[str, ...]:
    """Return the groups in their order without repetitions, or raise ValueError naming the first that won't do.

    A group that cannot be read is never dropped: a rule might be bound to it.
    """
    for group in groups:
        if not 0 < len(group) <= MAX_GROUP or group != group.strip() or "," in group or not _is_clean(group):
            raise ValueError(f"{quoted(group)} is no group: 1 to {MAX_GROUP} printable characters without comma are")
    if len(groups) > MAX_GROUPS:
        raise ValueError(f"there are {len(groups)} groups; at most {MAX_GROUPS} are taken")
    if sum(len(group.encode()) for group in groups) > MAX_GROUPS_BYTES:
        raise ValueError(f"the groups are longer than {MAX_GROUPS_BYTES} bytes together")
    return tuple(dict.fromkeys(groups))


def quoted(text: str, limit: int = 80) -> str:
    """Return a foreign text cut to `limit`, in quotes and pure printable ASCII, fit for a message or a log."""
    return ascii(text if len(text) <= limit else text[:limit] + "...")


def _is_clean(text: str) -> bool:
    return not any(unicodedata.category(character) in _REFUSED_CATEGORIES for character in text)
