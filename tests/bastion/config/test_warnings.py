"""What a configuration may hold, and should not: each gets one warning, and the start goes on."""

import pytest

from bastion.config import checks
from bastion.masking.detectors import ROWS
from tests.bastion.configs import ISSUER, KEY, ORDERS, RULE, SSH, WEB, config

QUIET = f"""{ISSUER}
{WEB}labels = {{ env = "prod" }}
[roles.engineer]
groups = ["eng"]
targets = ["web-1"]
logins = ["deploy"]
channels = ["shell"]
[roles.approver]
groups = ["sre"]
control = ["approve"]
[masking]
detectors = ["email"]
"""
FORWARD, SHELL = '["forward"]', '["shell"]'
APPROVE = '[[rules]]\nname = "r"\naction = "approve"\ncommands = ["x"]\n'

WARNED = [
    (
        QUIET.replace('[masking]\ndetectors = ["email"]\n', ""),
        "masking: is missing, so that nothing is masked, neither on screens nor in recordings; write [masking]",
    ),
    (
        QUIET.replace(ISSUER, ""),
        "issuers: there is none, so that nobody can log in; write [issuers.NAME]",
    ),
    (
        QUIET.replace('client_id = "bastion"', 'audience = "bastion"'),
        (
            "issuers.corp.client_id: is missing, so that nobody can log in through this issuer; "
            "write it, or interactive = false"
        ),
    ),
    (
        f"{QUIET}[targets.lost]\n{SSH}",
        "targets.lost: no role reaches it; name it in the targets of a role with logins and channels",
    ),
    (
        f'{QUIET}[roles.none]\ngroups = ["g"]',
        "roles.none: grants nothing; it names no targets and no logins and no channels",
    ),
    (
        f'{QUIET}[roles.none]\ngroups = ["g"]\ntargets = ["web-1"]\nlogins = ["a"]',
        "roles.none: grants nothing; it names no channels",
    ),
    (
        f'{QUIET}[roles.none]\ngroups = ["g"]\ntargets = ["db-*"]\ncontrol = ["kill"]',
        'roles.none.targets: no target\'s name matches "db-*"',
    ),
    (
        f'{QUIET}[roles.none]\ngroups = ["g"]\ntargets = [{{ evn = "prod" }}]\ncontrol = ["kill"]',
        'roles.none.targets: no target has a label "evn"; did you mean "env"?',
    ),
    (
        f'{QUIET}{RULE}commands = ["x"]\ntargets = [{{ env = "prdo" }}]',
        'rules[0].targets: no target has env = "prdo"; did you mean "prod"?',
    ),
    (
        f'{QUIET}{APPROVE}approvers = ["qa"]',
        'rules[0].approvers: no role grants "qa" control = ["approve"], so that nobody can agree',
    ),
    (
        QUIET.replace('"shell"]', '"shell"]\nrequest = { approvers = ["eng"], max = "1h" }'),
        'roles.engineer.request.approvers: no role grants "eng" control = ["approve"], so that nobody can agree',
    ),
    (
        f'{QUIET}{RULE}commands = ["x"]\napprovers = ["sre"]',
        'rules[0].approvers: does nothing in a rule whose action is "deny"',
    ),
    (
        f'{QUIET}{RULE.replace("deny", "allow")}commands = ["ls"]',
        'rules[0]: allows what runs anyway; set default = "deny" or "approve" on a role or target',
    ),
    (f"{QUIET}{RULE}", "rules[0]: matches everything, so that no command runs anywhere"),
    (
        f'{QUIET}[store]\ndatabase = "postgresql://u:hunter2@h/d"',
        "store.database: holds a password; leave it out and set PGPASSWORD or use ~/.pgpass",
    ),
]


def test_a_sound_configuration_has_no_warning() -> None:
    assert config(QUIET).warnings == ()
    assert config(f'{QUIET}{APPROVE}approvers = ["qa", "sre"]').warnings == ()
    assert config(f'{QUIET}{RULE}groups = ["g"]').warnings == ()
    allow = f'{QUIET}{RULE.replace("deny", "allow")}commands = ["ls"]'
    assert config(allow.replace("[roles.engineer]", '[roles.engineer]\ndefault = "deny"')).warnings == ()
    assert config(QUIET.replace('logins = ["deploy"]', 'logins = ["*"]')).warnings == ()


def test_a_database_needs_no_login_to_be_reached() -> None:
    app = 'credential = { kind = "password", user = "app", password_env = "PW" }\n'
    role = '[roles.dba]\ngroups = ["g"]\ntargets = ["orders"]\nchannels = {}\n'
    reached = f"{QUIET}{ORDERS}{app}{role.format(FORWARD)}"
    assert config(reached, {"PW": "x"}).warnings == ()
    unreached = f"{QUIET}{ORDERS}{app}{role.format(SHELL)}"
    assert [line.split(": ")[1] for line in config(unreached, {"PW": "x"}).warnings] == ["roles.dba", "targets.orders"]


@pytest.mark.parametrize(("text", "line"), WARNED)
def test_one_warning(text: str, line: str) -> None:
    assert config(text).warnings == (f"bastion.toml: {line}",)


def test_a_detector_that_is_not_built_is_said_to_miss_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "ROWS", tuple(row for row in ROWS if row.kind == "email"))
    text = QUIET.replace('["email"]', '["email", "card", "iban"]')
    line = "bastion.toml: masking.detectors: this version cannot find card, iban: such values pass unmasked"
    assert config(text).warnings == (line,)


def test_no_warning_repeats_a_secret() -> None:
    assert "hunter2" not in "".join(line for text, _ in WARNED for line in config(text).warnings)


def test_a_name_in_a_path_is_quoted_where_toml_asks_for_it() -> None:
    text = f'{QUIET}[targets."a.b"]\nprotocol = "ssh"\naddress = "h"\nhost_key = "{KEY}"'
    assert config(text).warnings[0].startswith('bastion.toml: targets."a.b": no role reaches it')
