"""Configuration: bastion.toml as frozen dataclasses. No reading and no checking here.

`bastion.config.file.load` makes a `Config` of a file, or raises one `ConfigError` that holds every finding. Paths in
the file are relative to the file's folder; the dataclasses hold absolute ones.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from bastion import environment
from bastion.model import NO_LIMITS, Action, ChannelKind, ControlRight, Kind, ShellGate, TimeLimits

PROTOCOLS = ("ssh", "postgres", "mysql", "http", "kubernetes")
DETECTORS = ("email", "phone", "iban", "card", "national-id", "ip", "mac", "secret", "name", "birth-date")
FILE_MASKING = ("mask", "refuse", "pass")
ENCODED = ("pass", "approve", "stop")
FULLSCREEN = ("allow", "dumb", "approve", "refuse")
ON_ERROR = ("close", "pass")
STYLES = ("tag", "fixed", "partial", "general", "pseudonym")
SQL_STATEMENTS = (
    *("select", "insert", "update", "delete", "merge", "replace", "copy", "load", "truncate", "call", "execute"),
    *("create", "alter", "drop", "rename", "comment", "grant", "revoke", "set", "lock", "vacuum", "analyze", "refresh"),
    *("begin", "commit", "rollback", "show", "describe", "explain", "use", "kill", "attach", "detach", "pragma"),
)


class Secret:
    """A text that must not be printed: shown as `Secret(***)` everywhere, read by `reveal()` alone."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"


@dataclass(frozen=True, slots=True)
class Address:
    """A host (name or IP address, IPv6 without brackets) and a TCP port."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Selector:
    """Picks targets: by `name` (a glob), or by `labels`, all of which must be equal. One of both is set."""

    name: str = ""
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """`[server]`. `grace` is what sessions have to end by themselves once the bastion is told to stop."""

    listen: Address = Address("127.0.0.1", 2222)
    names: tuple[str, ...] = ("localhost",)
    host_keys: Path = Path("hostkeys")
    metrics: Address | None = None
    workers: int = 1
    grace: timedelta = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """`[store]`: where rows and recordings lie. `database` is a URL with absolute path, `recordings` a folder."""

    database: str
    recordings: Path


@dataclass(frozen=True, slots=True)
class CertificateConfig:
    """`[certificates]`: how long a user certificate lives."""

    lifetime: timedelta = timedelta(hours=8)
    agent_lifetime: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Issuer:
    """`[issuers.NAME]`: an OpenID provider whose tokens are believed.

    `url` has no slash at its end. `client_id` is empty where the bastion itself never asks this provider for tokens.
    Several issuers may share a url; `audience` and `client_id` then tell them apart.
    """

    name: str
    url: str
    client_id: str
    audience: str
    client_secret: Secret | None = None
    username_claim: str = "email"
    groups_claim: str = "groups"
    kind: Kind = Kind.HUMAN
    interactive: bool = True


@dataclass(frozen=True, slots=True)
class Credential:
    """How the bastion signs in to a target.

    `kind` is certificate (signed by target_ca for seconds), key, password or token. `user` is the account for
    protocols without logins. `secret` is the private key's text, the password or the token.
    """

    kind: str
    user: str = ""
    secret: Secret | None = None


@dataclass(frozen=True, slots=True)
class Algorithms:
    """What a target is offered after the bastion's own algorithms, by SSH's names; for old devices.

    `host_keys` are signatures the host may prove itself with, `signatures` those of the bastion's own key.
    """

    kex: tuple[str, ...] = ()
    ciphers: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    host_keys: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Via:
    """The gateway before a target: another ssh target, and the login there. It may have a gateway itself."""

    login: str
    target: "Target"


@dataclass(frozen=True, slots=True)
class CustomDetector:
    """`[masking.custom.NAME]`. Its name is the kind of what it finds, and the tag: `[CUSTOMER-NO]`.

    `patterns` are regular expressions; they count anywhere, or behind one of `context` (plain words) if there are any.
    `words` are found as they stand.
    """

    name: str
    patterns: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MaskingChoice:
    """`masking` of a target or a role: what it says in the place of `[masking]`. None is not said."""

    detectors: tuple[str, ...] | None = None
    style: str | None = None
    unmasked_groups: tuple[str, ...] | None = None
    on_error: str | None = None
    files: str | None = None
    encoded: str | None = None
    fullscreen: str | None = None
    approvers: tuple[str, ...] | None = None
    unmask: bool | None = None


UNCHOSEN = MaskingChoice()


@dataclass(frozen=True, slots=True)
class Target:
    """`[targets.NAME]`. `host_keys` and `host_cas` are OpenSSH public key lines; an ssh target has at least one.

    `tls` is for http and kubernetes targets: whether the address was written as https://. `pattern` is the glob that
    names a pattern, and from then on each target made of it; the host of a pattern's own address holds `{name}`.
    `networks` are the only ones a name of a pattern may lead to; without any, all but this machine and its link.
    """

    name: str
    protocol: str
    address: Address
    credential: Credential
    labels: tuple[tuple[str, str], ...] = ()
    host_keys: tuple[str, ...] = ()
    host_cas: tuple[str, ...] = ()
    database: str = ""
    tls: bool = False
    default: Action = Action.ALLOW
    via: Via | None = None
    algorithms: Algorithms = Algorithms()
    pattern: str = ""
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    shell: ShellGate = ShellGate.MISTAKES
    masking: MaskingChoice = UNCHOSEN


@dataclass(frozen=True, slots=True)
class AccessRequestConfig:
    """`request` of a role: the role must be asked for, just in time."""

    approvers: tuple[str, ...]
    max: timedelta


@dataclass(frozen=True, slots=True)
class Role:
    """`[roles.NAME]`: which groups get which targets, logins, channels and control rights.

    `env` are globs of names of variables the client may set on ssh targets. `pty` says whether a terminal may be had;
    None where the role does not say: then people may, and agents and workloads may not.
    """

    name: str
    groups: tuple[str, ...]
    targets: tuple[Selector, ...] = ()
    logins: tuple[str, ...] = ()
    channels: frozenset[ChannelKind] = frozenset()
    control: frozenset[ControlRight] = frozenset()
    default: Action = Action.ALLOW
    request: AccessRequestConfig | None = None
    env: tuple[str, ...] = environment.DEFAULT
    shell: ShellGate = ShellGate.MISTAKES
    pty: bool | None = None
    masking: MaskingChoice = UNCHOSEN
    limits: TimeLimits = NO_LIMITS


@dataclass(frozen=True, slots=True)
class SQLCondition:
    """`sql` of a rule: kinds of statement, tables (globs), and statements without WHERE or LIMIT."""

    statements: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    unbounded: bool = False


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """A time of the week that comes back: on these days (Monday is 0) from `begin` until before `end`.

    Both are minutes after midnight by the clocks of `zone`, an IANA name. A window that ends before it begins goes on
    into the next day, and belongs to the day on which it began.
    """

    days: frozenset[int]
    begin: int
    end: int
    zone: str


@dataclass(frozen=True, slots=True)
class Rule:
    """`[[rules]]`. Empty conditions match everything; `opaque` is True, False or the reasons it matches.

    `packs` name shipped lists of dangerous operations, which match beside the rule's own patterns. `paths` are globs of
    files that sftp, scp and rsync transfer, `transfer` the ways ("upload", "download"). `logins` may hold `*`, which is
    any login. `times` are when the rule is in force; empty is always.
    """

    name: str
    action: Action
    commands: tuple[str, ...] = ()
    regex: tuple[str, ...] = ()
    sql: SQLCondition | None = None
    packs: tuple[str, ...] = ()
    opaque: bool | frozenset[str] = False
    paths: tuple[str, ...] = ()
    transfer: frozenset[ChannelKind] = frozenset()
    targets: tuple[Selector, ...] = ()
    groups: tuple[str, ...] = ()
    kinds: frozenset[Kind] = frozenset()
    logins: tuple[str, ...] = ()
    times: tuple[TimeWindow, ...] = ()
    reason: str = ""
    approvers: tuple[str, ...] = ()
    approvals: int = 1
    timeout: timedelta = timedelta(minutes=10)

    @property
    def whatever(self) -> bool:
        """Whether it says nothing of what is done, so that it matches everything."""
        commands = self.commands or self.regex or self.sql or self.packs or self.opaque
        return not (commands or self.paths or self.transfer)


@dataclass(frozen=True, slots=True)
class MaskingConfig:
    """`[masking]`: which detectors run and how a value is replaced.

    `files` is what happens to downloads by sftp, scp and rsync: "mask" masks every file in place, of any kind; "refuse"
    does so with text and gives nothing else; "pass" masks no file. rsync can't be masked: its downloads need "pass".
    `encoded` is what happens to output that hides values (archives, base64 …), `fullscreen` to terminals, whose
    full-screen programs can't be masked for certain. `approvers` allow what these ask about, and what `unmask` lets
    people ask for: to see a session in clear. `on_error` other than "close" stands in targets alone.
    Without the section nothing is masked; in a section that names no detectors, all of them run. `custom` ones always
    do.
    """

    detectors: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    style: str = "tag"
    unmasked_groups: tuple[str, ...] = ()
    on_error: str = "close"
    files: str = "mask"
    encoded: str = "stop"
    fullscreen: str = "allow"
    approvers: tuple[str, ...] = ()
    unmask: bool = False
    custom: tuple[CustomDetector, ...] = ()

    @property
    def is_on(self) -> bool:
        """Whether anything is masked."""
        return bool(self.detectors or self.custom)


@dataclass(frozen=True, slots=True)
class Notifier:
    """`[notify.NAME]`: members of these groups are told over an Apprise URL what waits for their approval."""

    name: str
    groups: tuple[str, ...]
    url: Secret


@dataclass(frozen=True, slots=True)
class RetentionConfig:
    """`[retention]`."""

    recordings: timedelta = timedelta(days=90)
    audit: timedelta = timedelta(days=6 * 365)


@dataclass(frozen=True, slots=True)
class Config:
    """All of bastion.toml. `path` is the file; `warnings` are findings that do not stop the start, one line each.

    `patterns` are the targets that are named by globs, the most specific first. `bastion.instances` finds a target by
    its name among both. `stamp` is the time of change and the inode of the file that was read.
    """

    path: Path
    store: StoreConfig
    server: ServerConfig = field(default_factory=ServerConfig)
    certificates: CertificateConfig = field(default_factory=CertificateConfig)
    issuers: dict[str, Issuer] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)
    patterns: tuple[Target, ...] = ()
    roles: dict[str, Role] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    masking: MaskingConfig = field(default_factory=MaskingConfig)
    retention: RetentionConfig = field(default_factory=RetentionConfig)
    notifiers: dict[str, Notifier] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    stamp: tuple[int, int] = field(default=(0, 0), compare=False)
