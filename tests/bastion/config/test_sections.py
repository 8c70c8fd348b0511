"""Every key of the sections that name no targets: what it means, and the one line a wrong value gets."""

from datetime import timedelta
from pathlib import Path

import pytest

from bastion.config.schema import DETECTORS, Address
from bastion.model import Kind
from tests.bastion.configs import ISSUER, config, findings

WRONG = [
    ("servr = 1", 'servr: is not a known key; did you mean "server"?'),
    ("server = 3", "server: must be a table, not a number"),
    ("[[server]]", "server: must be a table, not a list"),
    ("[server]\nlisten = 2222", "server.listen: must be text, not a number"),
    ('[server]\nlisten = ""', 'server.listen: must not be empty; write "host:port"'),
    ('[server]\nlisten = ":2222"', 'server.listen: ":2222" names no host; write "host:port"'),
    ('[server]\nlisten = "0.0.0.0:65536"', 'server.listen: "65536" is not a port between 0 and 65535'),
    ('[server]\nlisten = "0.0.0.0:ssh"', 'server.listen: "ssh" is not a port between 0 and 65535'),
    ('[server]\nlisten = "ssh://x:22"', 'server.listen: "ssh://x:22" is a url; write "host:port"'),
    (
        '[server]\nlisten = "::1:22"',
        'server.listen: "::1:22" must have brackets around the ipv6 address, as in "[::1]:22"',
    ),
    ('[server]\nlisten = "[::1"', 'server.listen: "[::1" is not an address; write "host:port" or "[::1]:port"'),
    ('[server]\nlisten = "[::g]:1"', 'server.listen: "::g" is not an ip address'),
    ('[server]\nlisten = "10.0.0.256:1"', 'server.listen: "10.0.0.256" is not an ip address'),
    ('[server]\nlsten = "x"', 'server.lsten: is not a known key; did you mean "listen"?'),
    (
        "[server]\nzzz = 1",
        "server.zzz: is not a known key; known here: names, listen, host_keys, metrics, workers, grace",
    ),
    ('[server]\nnames = "a"', "server.names: must be a list in brackets, not text"),
    ("[server]\nnames = []", "server.names: is empty; write the names that users type"),
    ('[server]\nnames = ["a", "-b"]', 'server.names[1]: "-b" is not a host name'),
    ('[server]\nnames = ["*.example.com"]', 'server.names[0]: "*.example.com" is not a host name'),
    ('[server]\nnames = ["a,b"]', 'server.names[0]: "a,b" is not a host name'),
    ('[server]\nhost_keys = "~/keys"', "server.host_keys: ~ is not expanded here; write the whole path"),
    (
        '[server]\nmetrics = "0.0.0.0:9322"',
        'server.metrics: "0.0.0.0" is not a loopback address; write "127.0.0.1:9322"',
    ),
    ("[server]\nworkers = -1", "server.workers: must be between 0 and 256"),
    ("[server]\nworkers = true", "server.workers: must be a whole number, not a boolean"),
    ("[server]\nworkers = 1.5", "server.workers: must be a whole number, not a number with a fraction"),
    (
        '[store]\ndatabase = "mysql://h/d"',
        'store.database: "mysql" is not a store; use sqlite:///... or postgresql://...',
    ),
    (
        '[store]\ndatabase = "postgres://u:hunter2@h/d"',
        'store.database: "postgres" is not a store; use sqlite:///... or postgresql://...; did you mean "postgresql"?',
    ),
    ('[store]\ndatabase = "bastion.db"', "store.database: this is not a store; use sqlite:///... or postgresql://..."),
    (
        '[store]\ndatabase = "sqlite:///:memory:"',
        (
            'store.database: "sqlite:///:memory:" names no file; '
            'write "sqlite:///var/bastion.db", or four slashes for a whole path'
        ),
    ),
    (
        '[store]\ndatabase = "sqlite://x.db"',
        (
            'store.database: "sqlite://x.db" names no file; '
            'write "sqlite:///var/bastion.db", or four slashes for a whole path'
        ),
    ),
    (
        '[store]\ndatabase = "postgresql://h:port/d"',
        "store.database: is not a url such as postgresql://host:5432/bastion",
    ),
    (
        '[store]\nrecordings = "s3://b/p"',
        'store.recordings: s3:// is not supported yet; write a folder, as in "var/recordings"',
    ),
    (
        '[store]\nrecordings = "ftp://b/p"',
        'store.recordings: "ftp://b/p" is not a folder; write one as in "var/recordings"',
    ),
    ("[store]\nrecordings = false", "store.recordings: must be text, not a boolean"),
    (
        "[certificates]\nlifetime = 8",
        'certificates.lifetime: must be text with a unit, as in "8h" or "90d", not a number',
    ),
    (
        '[certificates]\nlifetime = "8 hours"',
        'certificates.lifetime: "8 hours" is not a duration; write it as in "30s", "15m", "1h30m", "90d" or "6y"',
    ),
    (
        '[certificates]\nlifetime = ""',
        'certificates.lifetime: "" is not a duration; write it as in "30s", "15m", "1h30m", "90d" or "6y"',
    ),
    (
        '[certificates]\nlifetime = "-1h"',
        'certificates.lifetime: "-1h" is not a duration; write it as in "30s", "15m", "1h30m", "90d" or "6y"',
    ),
    (
        '[certificates]\nlifetime = "1m1h"',
        'certificates.lifetime: "1m1h" must name each unit once, the largest first',
    ),
    ('[certificates]\nlifetime = "0h"', "certificates.lifetime: must be above zero and at most 100 years"),
    ('[certificates]\nlifetime = "999y"', "certificates.lifetime: must be above zero and at most 100 years"),
    (
        '[certificates]\nlifetime = "31d"',
        "certificates.lifetime: must be at most 30d: a certificate is for a working day, not for ever",
    ),
    (
        '[certificates]\nlifetime = "1h"\nagent_lifetime = "2h"',
        "certificates.agent_lifetime: must not be longer than lifetime",
    ),
    (f"{ISSUER}kind = 'robot'", 'issuers.corp.kind: "robot" is not known; use one of human, agent, workload'),
    (f"{ISSUER}kind = 'humann'", 'issuers.corp.kind: "humann" is not known; did you mean "human"?'),
    (f"{ISSUER}interactive = 'no'", "issuers.corp.interactive: must be true or false, not text"),
    (f"{ISSUER}groups_claim = ''", "issuers.corp.groups_claim: must not be empty"),
    (f"{ISSUER}username_claim = ['a']", "issuers.corp.username_claim: must be text, not a list"),
    (
        f"{ISSUER}client_secret = 'hunter2'",
        (
            "issuers.corp.client_secret: a secret does not belong in this file; put it in a file of mode 0600 named in "
            "client_secret_file, or in an environment variable named in client_secret_env"
        ),
    ),
    (
        f"{ISSUER}client_secret_env = 'CLIENT_SECRET'",
        "issuers.corp.client_secret_env: environment variable CLIENT_SECRET is not set",
    ),
    (
        f"{ISSUER}client_secret_env = 'hunter2'",
        "issuers.corp.client_secret_env: the environment variable named here is not set",
    ),
    (
        "[issuers.corp]\nclient_id = 'b'",
        'issuers.corp.url: is missing; write the provider\'s issuer, as in "https://idp.example.com"',
    ),
    (
        "[issuers.corp]\nurl = 'https://idp.example.com'",
        (
            "issuers.corp.client_id: is missing, and audience too; "
            "without one, tokens made for other programs would open the door"
        ),
    ),
    (
        "[issuers.corp]\nclient_id = 'b'\nurl = 'http://idp.example.com'",
        'issuers.corp.url: "http://idp.example.com" must be https; plain http is for loopback addresses alone',
    ),
    (
        "[issuers.corp]\nclient_id = 'b'\nurl = 'http://localhost.evil.example'",
        'issuers.corp.url: "http://localhost.evil.example" must be https; plain http is for loopback addresses alone',
    ),
    (
        "[issuers.corp]\nclient_id = 'b'\nurl = 'idp.example.com'",
        'issuers.corp.url: is not a url such as "https://idp.example.com"',
    ),
    (
        "[issuers.corp]\nclient_id = 'b'\nurl = 'https://idp.example.com:99999'",
        'issuers.corp.url: is not a url such as "https://idp.example.com"',
    ),
    (
        "[issuers.corp]\nclient_id = 'b'\nurl = 'https://u:hunter2@idp.example.com'",
        "issuers.corp.url: must be a url without user, query and fragment",
    ),
    (
        "[issuers.corp]\nclient_id = 'b'\nurl = 'https://idp.example.com/x?y=1'",
        "issuers.corp.url: must be a url without user, query and fragment",
    ),
    (
        "[issuers.corp]\nclient_id = 'b'\nurl = 'https://i.example/r/.well-known/openid-configuration'",
        'issuers.corp.url: is the discovery document; write the issuer: "https://i.example/r"',
    ),
    (
        f"{ISSUER}[issuers.more]\nurl = 'https://idp.example.com/'\nclient_id = 'bastion'",
        "issuers.more.url: is that of issuers.corp with the same client_id and audience; nothing tells them apart",
    ),
    (
        "[issuers.'a b']\nclient_id = 'b'\nurl = 'https://idp.example.com'",
        "issuers.\"a b\": \"a b\" cannot be a name: use letters, digits, '.', '_' and '-', a letter or digit first",
    ),
    ("[issuers]\ncorp = 'x'", "issuers.corp: must be a table, not text"),
    ("[masking]\ndetectors = ['emails']", 'masking.detectors[0]: "emails" is not known; did you mean "email"?'),
    ("[masking]\ndetectors = 'email'", "masking.detectors: must be a list in brackets, not text"),
    (
        "[masking]\nstyle = 'redact'",
        'masking.style: "redact" is not known; use one of tag, fixed, partial, general, pseudonym',
    ),
    (
        "[masking]\non_error = 'pass'",
        'masking.on_error: must be "close": what cannot be masked is never passed through',
    ),
    (
        "[masking]\ncolumns = ['name']",
        'masking.columns[0]: "name" must name table and column, as in "users.name" or "*.birth_date"',
    ),
    (
        "[masking]\nunmasked_groups = ['*']",
        'masking.unmasked_groups[0]: groups are exact names and "*" is nobody\'s; name each group',
    ),
    ("[masking]\nunmasked_groups = [' dpo']", 'masking.unmasked_groups[0]: " dpo" has spaces at its ends'),
    (
        '[masking]\nunmasked_groups = ["a\\u202eb"]',
        "masking.unmasked_groups[0]: must be one line without control or invisible characters",
    ),
    (
        "[retention]\naudit = 6",
        'retention.audit: must be text with a unit, as in "8h" or "90d", not a number',
    ),
    ("[retention]\naudit = 2026-11-22", 'retention.audit: must be text with a unit, as in "8h" or "90d", not a date'),
]


@pytest.mark.parametrize(("text", "line"), WRONG)
def test_a_wrong_value_gets_one_line(text: str, line: str) -> None:
    assert findings(text) == [line]


def test_no_finding_repeats_a_secret() -> None:
    told = [line for text, _ in WRONG if "hunter2" in text for line in findings(text)]
    assert told
    assert not [line for line in told if "hunter2" in line]


def test_an_empty_file_listens_on_loopback_and_keeps_everything_beside_itself() -> None:
    found = config("")
    assert found.server.listen == Address("127.0.0.1", 2222)
    assert found.server.host_keys == Path("/nonexistent/hostkeys")
    assert found.store.database == "sqlite:////nonexistent/var/bastion.db"
    assert found.store.recordings == Path("/nonexistent/var/recordings")
    assert found.path == Path("/nonexistent/bastion.toml")


@pytest.mark.parametrize(
    ("url", "database"),
    [
        ("sqlite:///data/../b.db", "sqlite:////nonexistent/b.db"),
        ("sqlite:////srv/b.db", "sqlite:////srv/b.db"),
        ("postgresql://db:5432/bastion", "postgresql://db:5432/bastion"),
    ],
)
def test_database_urls(url: str, database: str) -> None:
    assert config(f'[store]\ndatabase = "{url}"').store.database == database


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("0.0.0.0:0", Address("0.0.0.0", 0)),
        ("bastion", Address("bastion", 2222)),
        ("[::]:22", Address("::", 22)),
        ("[fe80::1%eth0]", Address("fe80::1%eth0", 2222)),
    ],
)
def test_listen(listen: str, address: Address) -> None:
    assert config(f'[server]\nlisten = "{listen}"').server.listen == address


def test_metrics_may_name_loopback_in_any_way() -> None:
    for host in ("127.0.0.1", "127.9.9.9", "localhost", "[::1]"):
        found = config(f'[server]\nmetrics = "{host}"').server.metrics
        assert found == Address(host.strip("[]"), 9322)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("15m", 900), ("8h", 28800), ("90d", 7776000), ("2w", 1209600), ("6y", 189216000), ("1h30m", 5400)],
)
def test_durations(text: str, seconds: int) -> None:
    assert config(f'[retention]\naudit = "{text}"').retention.audit == timedelta(seconds=seconds)


def test_agents_never_get_more_than_people_by_default() -> None:
    assert config('[certificates]\nlifetime = "5m"').certificates.agent_lifetime == timedelta(minutes=5)


def test_issuer_defaults() -> None:
    issuer = config(ISSUER.replace(".com", ".com/")).issuers["corp"]
    assert issuer.url == "https://idp.example.com"
    assert issuer.audience == "bastion"
    assert (issuer.kind, issuer.interactive) == (Kind.HUMAN, True)
    assert config(f"{ISSUER}kind = 'agent'").issuers["corp"].interactive is False


def test_people_and_agents_may_come_from_one_provider() -> None:
    text = f"{ISSUER}[issuers.agents]\nurl = 'https://idp.example.com'\nclient_id = 'agents'\nkind = 'agent'"
    assert set(config(text).issuers) == {"corp", "agents"}


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost:8000/realm", "http://[::1]:8000"])
def test_plain_http_is_for_loopback(url: str) -> None:
    assert config(ISSUER.replace("https://idp.example.com", url)).issuers["corp"].url == url


def test_a_client_secret_comes_from_the_environment_and_is_not_shown() -> None:
    issuer = config(f"{ISSUER}client_secret_env = 'CLIENT_SECRET'", {"CLIENT_SECRET": "hunter2"}).issuers["corp"]
    assert issuer.client_secret is not None
    assert issuer.client_secret.reveal() == "hunter2"
    assert "hunter2" not in repr(issuer)


def test_a_masking_section_without_detectors_runs_all_and_no_section_runs_none() -> None:
    assert config("[masking]").masking.detectors == DETECTORS
    assert config("[masking]\ndetectors = []").masking.detectors == ()
    assert config("").masking.detectors == ()
