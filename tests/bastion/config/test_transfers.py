"""What bastion.toml says of files: rules on paths, kinds of channel for transfers, masking of downloads."""

from datetime import UTC, datetime

import pytest

from bastion.model import TRANSFERS, Action, ChannelKind, Grant, Identity, Kind
from tests.bastion.configs import RULE, config, findings

ALICE = Identity("alice", "corp", "1", ("eng",), Kind.HUMAN, 1, datetime(2030, 1, 1, tzinfo=UTC))


def test_a_rule_on_files() -> None:
    (rule,) = config(f'{RULE}paths = ["/etc/**", "**/.ssh/**"]\ntransfer = ["upload"]').rules
    assert (rule.paths, rule.transfer) == (("/etc/**", "**/.ssh/**"), frozenset({ChannelKind.UPLOAD}))
    assert config(RULE).rules[0].paths == ()


def test_a_rule_on_files_does_not_stop_every_command() -> None:
    assert any("matches everything" in line for line in config(RULE).warnings)
    for text in ('paths = ["/etc/**"]', 'transfer = ["download"]'):
        assert not any("matches everything" in line for line in config(RULE + text).warnings)


@pytest.mark.parametrize("files", ["mask", "refuse", "pass"])
def test_masking_of_files(files: str) -> None:
    assert config(f'[masking]\nfiles = "{files}"').masking.files == files
    assert config("[masking]").masking.files == "mask"


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        (
            f"{RULE}paths = ['etc/passwd']",
            'rules[0].paths[0]: "etc/passwd" must begin with / or *, as in "/etc/**" or "**/.ssh/**"',
        ),
        (f"{RULE}paths = '/etc'", "rules[0].paths: must be a list in brackets, not text"),
        (f"{RULE}paths = ['']", "rules[0].paths[0]: must not be empty"),
        (f"{RULE}transfer = ['sftp']", 'rules[0].transfer[0]: "sftp" is not known; use one of download, upload'),
        (f"{RULE}transfer = ['uploads']", 'rules[0].transfer[0]: "uploads" is not known; did you mean "upload"?'),
        ("[masking]\nfiles = 'masked'", 'masking.files: "masked" is not known; did you mean "mask"?'),
        ("[masking]\nfiles = true", "masking.files: must be text, not a boolean"),
    ],
)
def test_findings(text: str, finding: str) -> None:
    assert finding in findings(text)


@pytest.mark.parametrize(
    ("granted", "opens"),
    [
        ({"sftp"}, {"sftp", "upload", "download"}),
        ({"upload"}, {"sftp", "upload"}),
        ({"download"}, {"sftp", "download"}),
        ({"exec", "shell", "subsystem", "forward"}, set()),
    ],
)
def test_which_channels_and_ways_a_grant_opens(granted: set[str], opens: set[str]) -> None:
    grant = Grant(ALICE, "web-1", "deploy", frozenset(map(ChannelKind, granted)), Action.ALLOW)
    assert {str(kind) for kind in (ChannelKind.SFTP, *TRANSFERS) if grant.opens(kind)} == opens
