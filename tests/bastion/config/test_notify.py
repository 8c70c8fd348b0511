"""`[notify.NAME]` of bastion.toml."""

from pathlib import Path

import pytest

from bastion.config.file import parse
from bastion.errors import ConfigError

BASE = '[store]\ndatabase = "sqlite:///var/b.db"\nrecordings = "var/r"\n'
SECRETS = {"CHAT": "json://127.0.0.1:9/", "NOISE": "nonsense"}


def test_a_notifier_is_read_and_its_url_hidden(tmp_path: Path) -> None:
    text = BASE + '[notify.chat]\ngroups = ["sre"]\nurl_env = "CHAT"\n'
    config = parse(text, tmp_path / "bastion.toml", SECRETS)
    notifier = config.notifiers["chat"]
    assert (notifier.groups, notifier.url.reveal()) == (("sre",), "json://127.0.0.1:9/")
    assert "127.0.0.1" not in repr(notifier)


@pytest.mark.parametrize(
    ("section", "finding"),
    [
        ('groups = ["sre"]', "notify.chat.url_env: is missing; name the variable"),
        ('groups = ["sre"]\nurl_env = "NOISE"', "notify.chat.url_env: holds no URL that Apprise understands"),
        ('groups = ["sre"]\nurl_env = "GONE"', "notify.chat.url_env: environment variable GONE is not set"),
        ('groups = ["sre"]\nurl = "slack://a"', "notify.chat.url: a secret does not belong in this file"),
        ('url_env = "CHAT"', "notify.chat.groups: "),
        ('groups = ["sre"]\nurl_env = "CHAT"\nurls = 1', "notify.chat.urls: "),
    ],
)
def test_mistakes_are_named(tmp_path: Path, section: str, finding: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f"{BASE}[notify.chat]\n{section}\n", tmp_path / "bastion.toml", SECRETS)
    assert any(finding in line for line in str(caught.value).splitlines()), str(caught.value)
