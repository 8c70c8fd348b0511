"""Who may reach what: tables of groups, targets, logins and channels, and one answer for every refusal."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion.auth.access import DENIED, Access, Reachable
from bastion.config.schema import Address, Config, Credential, Role, Selector, StoreConfig, Target
from bastion.errors import AccessDenied
from bastion.model import Action, ChannelKind, ControlRight, Identity, Kind, TimeLimits
from tests.bastion.configs import KEY, config
from tests.bastion.desk import person

SSH = f'protocol = "ssh"\naddress = "h"\nhost_key = "{KEY}"'
APP = 'credential = { kind = "password", user = "app", password_env = "PW" }'
CONFIG = config(
    f"""
[targets.web-1]
{SSH}
labels = {{ env = "prod" }}
[targets.web-2]
{SSH}
labels = {{ env = "prod" }}
default = "approve"
[targets.stage-1]
{SSH}
labels = {{ env = "staging" }}
[targets.vault]
{SSH}
[targets.orders]
protocol = "postgres"
address = "h"
{APP}

[roles.engineer]
groups = ["eng"]
targets = ["web-*", {{ env = "staging" }}, "orders"]
logins = ["deploy"]
channels = ["shell", "exec", "forward"]

[roles.copier]
groups = ["eng-files"]
targets = ["web-1"]
logins = ["deploy", "files"]
channels = ["sftp"]

[roles.operator]
groups = ["ops", "oncall"]
targets = ["stage-1"]
logins = ["*"]
channels = ["shell"]
control = ["kill"]

[roles.agent]
groups = ["agents"]
targets = ["web-1", "orders"]
logins = ["deploy"]
channels = ["exec"]
default = "deny"

[roles.emergency]
groups = ["eng"]
targets = ["vault", "web-1", "stage-1"]
logins = ["root", "deploy"]
channels = ["shell", "exec"]
default = "deny"
control = ["revoke"]
request = {{ approvers = ["sre"], max = "4h" }}

[roles.careful]
groups = ["interns"]
targets = ["*"]
logins = ["*"]
default = "approve"

[roles.approver]
groups = ["sre"]
control = ["approve", "audit"]
""",
    {"PW": "x"},
)
ACCESS = Access(CONFIG)
SHELL, EXEC, SFTP, FORWARD = ChannelKind.SHELL, ChannelKind.EXEC, ChannelKind.SFTP, ChannelKind.FORWARD


def identity(*groups: str) -> Identity:
    return Identity("alice", "corp", "1", groups, Kind.HUMAN, 1, datetime(2026, 11, 23, tzinfo=UTC))


@pytest.mark.parametrize(
    ("groups", "target", "login", "channels", "default"),
    [
        (["eng"], "web-1", "deploy", {SHELL, EXEC, FORWARD}, Action.ALLOW),
        (["eng"], "web-2", "deploy", {SHELL, EXEC, FORWARD}, Action.APPROVE),
        (["eng"], "stage-1", "deploy", {SHELL, EXEC, FORWARD}, Action.ALLOW),
        (["eng", "eng-files"], "web-1", "deploy", {SHELL, EXEC, FORWARD, SFTP}, Action.ALLOW),
        (["eng", "eng-files"], "web-1", "files", {SFTP}, Action.ALLOW),
        (["eng-files"], "web-1", "files", {SFTP}, Action.ALLOW),
        (["oncall"], "stage-1", "anybody", {SHELL}, Action.ALLOW),
        (["agents"], "web-1", "deploy", {EXEC}, Action.DENY),
        (["interns", "eng"], "web-1", "deploy", {SHELL, EXEC, FORWARD}, Action.APPROVE),
        (["agents", "eng"], "web-1", "deploy", {SHELL, EXEC, FORWARD}, Action.DENY),
    ],
)
def test_granted(groups: list[str], target: str, login: str, channels: set[ChannelKind], default: Action) -> None:
    who = identity(*groups)
    grant = ACCESS.grant(who, target, login)
    assert (grant.identity, grant.target, grant.login) == (who, target, login)
    assert grant.channels == channels
    assert grant.default is default


@pytest.mark.parametrize("login", ["", "app", "postgres", "anything at all"])
def test_on_databases_the_account_is_the_credentials_whatever_the_client_says(login: str) -> None:
    grant = ACCESS.grant(identity("eng"), "orders", login)
    assert grant.login == "app"
    assert grant.channels == {FORWARD}


REFUSED = [
    ([], "web-1", "deploy"),
    (["eng"], "nosuch", "deploy"),
    (["eng"], "", "deploy"),
    (["eng"], "WEB-1", "deploy"),
    (["eng"], "web-*", "deploy"),
    (["eng"], "vault", "deploy"),
    (["eng"], "vault", "root"),
    (["eng"], "web-1", "root"),
    (["eng"], "web-1", ""),
    (["eng"], "web-1", "Deploy"),
    (["eng"], "web-1", "files"),
    (["Eng"], "web-1", "deploy"),
    (["eng-files"], "web-2", "deploy"),
    (["ops"], "stage-1", "-oProxyCommand=id"),
    (["ops"], "stage-1", "a%b"),
    (["ops"], "stage-1", "*"),
    (["ops"], "stage-1", "a\n"),
    (["ops"], "stage-1", ""),
    (["ops"], "web-1", "anybody"),
    (["sre"], "web-1", "deploy"),
    (["interns"], "web-1", "deploy"),  # no channels
    (["agents"], "orders", "app"),  # its role grants no forward
]


@pytest.mark.parametrize(("groups", "target", "login"), REFUSED)
def test_refused_in_the_same_words_whether_it_exists_or_not(groups: list[str], target: str, login: str) -> None:
    with pytest.raises(AccessDenied) as refused:
        ACCESS.grant(identity(*groups), target, login)
    assert str(refused.value) == DENIED == 'no target of that name is open to you; "bastion targets" lists yours'
    assert refused.value.args == (DENIED,)


@given(
    st.lists(st.sampled_from(["eng", "eng-files", "ops", "agents", "sre"])),
    st.sampled_from([*CONFIG.targets, "nosuch"]),
    st.text() | st.sampled_from(["deploy", "files", "root", "*"]),
)
def test_what_is_granted_is_listed(groups: list[str], target: str, login: str) -> None:
    """Nobody is let in by a way that `bastion targets` does not show, and what it shows works."""
    who = identity(*groups)
    shown = {line.target.name: line for line in ACCESS.reachable(who) if line.access == "granted"}
    try:
        grant = ACCESS.grant(who, target, login)
    except AccessDenied:
        if target in shown:
            assert CONFIG.targets[target].protocol == "ssh"
            assert login not in shown[target].logins or login == "*"
    else:
        assert grant.channels <= shown[target].channels
        assert grant.channels


@pytest.mark.parametrize(
    ("groups", "rights"),
    [
        ([], set()),
        (["eng"], set()),  # `revoke` must be asked for
        (["sre"], {ControlRight.APPROVE, ControlRight.AUDIT}),
        (["sre", "ops"], {ControlRight.APPROVE, ControlRight.AUDIT, ControlRight.KILL}),
    ],
)
def test_control_rights(groups: list[str], rights: set[ControlRight]) -> None:
    assert ACCESS.control_rights(identity(*groups)) == rights


def test_reachable() -> None:
    found = [
        (line.target.name, line.logins, set(line.channels), line.access)
        for line in ACCESS.reachable(identity("eng", "oncall"))
    ]
    assert found == [
        ("orders", (), {FORWARD}, "granted"),
        ("stage-1", ("*", "deploy"), {SHELL, EXEC, FORWARD}, "granted"),
        ("vault", ("deploy", "root"), {SHELL, EXEC}, "request"),
        ("web-1", ("deploy",), {SHELL, EXEC, FORWARD}, "granted"),
        ("web-1", ("root",), {SHELL, EXEC}, "request"),
        ("web-2", ("deploy",), {SHELL, EXEC, FORWARD}, "granted"),
    ]


def test_nothing_is_reachable_without_a_role() -> None:
    assert ACCESS.reachable(identity("nobody")) == []


def test_a_line_for_a_request_shows_what_it_adds() -> None:
    text = f"""[targets.w]
{SSH}
[roles.a]
groups = ["g"]
targets = ["w"]
logins = ["deploy"]
channels = ["shell"]
[roles.b]
groups = ["g"]
targets = ["w"]
logins = ["deploy"]
channels = ["shell", "exec"]
request = {{ approvers = ["sre"], max = "1h" }}"""
    found = config(text)
    target = found.targets["w"]
    assert Access(found).reachable(identity("g")) == [
        Reachable(target, ("deploy",), frozenset({SHELL}), "granted"),
        Reachable(target, ("deploy",), frozenset({SHELL, EXEC}), "request"),
    ]


@pytest.mark.parametrize(
    ("said", "terminal"), [((None,), True), ((False,), False), ((False, None), False), ((False, True), True)]
)
def test_terminals_are_there_unless_roles_say_no(said: tuple[bool | None, ...], terminal: bool) -> None:
    web = Target("web", "ssh", Address("10.0.0.5", 22), Credential("certificate"))
    shells = frozenset({ChannelKind.SHELL})
    roles = {
        str(number): Role(str(number), ("eng",), (Selector(name="web"),), ("deploy",), shells, pty=pty)
        for number, pty in enumerate(said)
    }
    config = Config(Path("b.toml"), StoreConfig("", Path()), targets={"web": web}, roles=roles)
    who = Identity("alice", "corp", "1", ("eng",), Kind.AGENT, 1, datetime(2030, 1, 1, tzinfo=UTC))
    assert Access(config).grant(who, "web", "deploy").pty is terminal


@pytest.mark.parametrize(
    ("said", "limits"),
    [
        ([TimeLimits()], TimeLimits()),
        ([TimeLimits(), TimeLimits(idle=timedelta(minutes=5))], TimeLimits(idle=timedelta(minutes=5))),
        (
            [TimeLimits(timedelta(minutes=5), timedelta(hours=8)), TimeLimits(timedelta(hours=1), timedelta(hours=2))],
            TimeLimits(timedelta(minutes=5), timedelta(hours=2)),
        ),
        ([TimeLimits(at_expiry=True), TimeLimits()], TimeLimits(at_expiry=True)),
    ],
)
def test_the_strictest_time_limits_of_all_roles_count(said: list[TimeLimits], limits: TimeLimits) -> None:
    target = Target("web", "ssh", Address("h", 22), Credential("certificate"))
    shells = frozenset({ChannelKind.SHELL})
    roles = {
        str(number): Role(str(number), ("eng",), (Selector(name="web"),), ("deploy",), shells, limits=one)
        for number, one in enumerate(said)
    }
    config = Config(Path("/c"), StoreConfig("sqlite:////c.db", Path("/r")), targets={"web": target}, roles=roles)
    assert Access(config).grant(person("alice", "eng"), "web", "deploy").limits == limits


FLEET = config(
    f"""
[targets."web-*.example.com"]
protocol = "ssh"
address = "{{name}}"
labels = {{ env = "prod" }}
host_ca = "{KEY}"
via = "jump@gateway"
[targets.gateway]
{SSH}
[targets."web-9.example.com"]
{SSH}
[roles.all]
groups = ["all"]
targets = [{{ env = "prod" }}]
logins = ["deploy"]
channels = ["exec"]
[roles.one]
groups = ["one"]
targets = ["web-1.example.com"]
logins = ["deploy"]
channels = ["exec"]
[roles.some]
groups = ["some"]
targets = ["web-1*"]
logins = ["deploy"]
channels = ["exec"]
"""
)


@pytest.mark.parametrize(
    ("group", "open_names", "listed"),
    [
        (
            "all",
            ["web-1.example.com", "web-10.example.com", "web-2.example.com"],
            ["web-*.example.com", "web-1.example.com"],
        ),
        ("one", ["web-1.example.com"], ["web-1.example.com"]),
        ("some", ["web-1.example.com", "web-10.example.com"], ["web-*.example.com", "web-1.example.com"]),
        ("none", [], []),
    ],
)
def test_targets_of_a_pattern(group: str, open_names: list[str], listed: list[str]) -> None:
    """Selectors pick single names of a pattern; neither its own name nor its gateway is anybody's by it."""
    names = [f"web-{number}.example.com" for number in (1, 10, 2, 9)] + ["web-*.example.com", "gateway", "web-1.x"]
    access, who = Access(FLEET), person("alice", group)
    for name in names:
        found = access.open_to(who, name)
        assert (found is not None) == (name in open_names)
        if found is not None:
            grant = access.grant(who, name, "deploy")
            assert (grant.target, grant.via) == (name, ("jump@gateway",))
        else:
            with pytest.raises(AccessDenied) as refused:
                access.grant(who, name, "deploy")
            assert str(refused.value) == DENIED
    assert [line.target.name for line in access.reachable(who)] == listed
