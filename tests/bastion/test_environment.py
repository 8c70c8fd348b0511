"""Which variables of a client pass, by names, by roles and by the configuration; security.md: GHSA-vfxf-76hv-v4w4."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion import environment
from bastion.auth.access import Access
from bastion.channel.requests import ChannelRequest
from bastion.model import ChannelKind
from bastion.session.connection import _allowed
from tests.bastion.configs import WEB, config, findings
from tests.bastion.desk import ALICE

ROLE = '[roles.engineer]\ngroups = ["eng"]\ntargets = ["web-1"]\nlogins = ["deploy"]\nchannels = ["exec"]\n'
EVIL = (
    *("LD_PRELOAD", "LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "BASH_ENV", "ENV", "PATH", "IFS", "SHELLOPTS"),
    *("BASHOPTS", "PS4", "PROMPT_COMMAND", "GIT_SSH", "GIT_SSH_COMMAND", "BASH_FUNC_ls", "BASH_FUNC_ls%%"),
)


@pytest.mark.parametrize("name", EVIL)
def test_ghsa_vfxf_what_decides_what_runs_never_passes(name: str) -> None:
    assert not environment.may_pass(name, ["*", name, f"{name[:2]}*"])


@pytest.mark.parametrize(
    ("name", "patterns", "passes"),
    [
        ("LANG", environment.DEFAULT, True),
        ("LC_ALL", environment.DEFAULT, True),
        ("LANGUAGE", environment.DEFAULT, False),
        ("lang", environment.DEFAULT, False),
        ("TERM_PROGRAM", environment.DEFAULT, False),
        ("CI", ["CI", "GIT_*"], True),
        ("GIT_AUTHOR_NAME", ["CI", "GIT_*"], True),
        ("ANYTHING", ["*"], True),
        ("LANG", [], False),
        ("", ["*"], False),
        ("A=B", ["*"], False),
        ("A B", ["*"], False),
        ("A\0", ["*"], False),
        ("1A", ["*"], False),
        ("LANG\n", environment.DEFAULT, False),
    ],
)
def test_names_and_patterns(name: str, patterns: list[str], passes: bool) -> None:
    assert environment.may_pass(name, patterns) is passes


@given(st.text(max_size=40))
def test_whatever_passes_is_a_name_and_not_of_those_that_never_do(name: str) -> None:
    if environment.may_pass(name, ["*"]):
        assert name.isascii()
        assert name.isidentifier()
        assert not name.startswith(("LD_", "DYLD_", "GIT_SSH"))


@pytest.mark.parametrize("pattern", ["LD_PRELOAD", "LD_*", "LD_?RELOAD", "DYLD_*", "BASH_ENV", "PATH", "GIT_SSH*"])
def test_a_role_that_names_what_never_passes_is_refused(pattern: str) -> None:
    assert findings(f'{ROLE}env = ["LANG", "{pattern}"]\n{WEB}') == [
        f'roles.engineer.env[1]: "{pattern}" never passes: it would decide what runs on the target; leave it out'
    ]


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ('"LANG"', "roles.engineer.env: must be a list in brackets, not text"),
        (
            '["A B"]',
            "roles.engineer.env[0]: \"A B\" cannot match a variable's name: those hold letters, digits and '_'",
        ),
        ('["é"]', "roles.engineer.env[0]: \"é\" cannot match a variable's name: those hold letters, digits and '_'"),
        ("[1]", "roles.engineer.env[0]: must be text, not a number"),
    ],
)
def test_a_wrong_env_gets_one_line(value: str, line: str) -> None:
    assert findings(f"{ROLE}env = {value}\n{WEB}") == [line]


def test_a_role_that_says_nothing_lets_the_language_through() -> None:
    assert config(f"{ROLE}{WEB}").roles["engineer"].env == ("LANG", "LC_*")


@pytest.mark.parametrize(
    ("env", "kept"),
    [
        ("", ["LANG", "LC_TIME", "BASTION_WAIT"]),
        ("env = []", ["BASTION_WAIT"]),
        ('env = ["CI", "L*"]', ["LANG", "LC_TIME", "CI", "BASTION_WAIT"]),
        ('env = ["*"]', ["LANG", "LC_TIME", "CI", "TERM", "BASTION_WAIT"]),
    ],
)
def test_a_grant_says_which_variables_pass(env: str, kept: list[str]) -> None:
    grant = Access(config(f"{ROLE}{env}\n{WEB}")).grant(ALICE, "web-1", "deploy")
    sent = ("LANG", "LC_TIME", "LD_PRELOAD", "CI", "TERM", "PATH", "BASH_FUNC_x%%", "BASTION_WAIT")
    request = ChannelRequest(ChannelKind.EXEC, b"true", None, tuple((name, "v") for name in sent))
    assert [name for name, _ in _allowed(request, grant).env] == kept


def test_roles_add_up() -> None:
    other = (
        '[roles.ci]\ngroups = ["eng"]\ntargets = ["web-1"]\nlogins = ["deploy"]\nchannels = ["exec"]\nenv = ["CI"]\n'
    )
    assert Access(config(f"{ROLE}{other}{WEB}")).grant(ALICE, "web-1", "deploy").env == ("LANG", "LC_*", "CI")
