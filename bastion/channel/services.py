"""What a channel needs of the rest of the bastion: one bundle, built by `app` and passed down.

`Ruling` is everything that a reload of the configuration replaces at once; a channel keeps the ruling it began with.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bastion.approvals import Approvals
from bastion.auth.access import DENIED, Access
from bastion.auth.keys import ServerKeys
from bastion.auth.oidc import Issuers
from bastion.channel.live import Live
from bastion.config.schema import Config, Target
from bastion.errors import AccessDenied
from bastion.instances import find
from bastion.journal import AuditLog
from bastion.masking.masker import MaskingPolicies, MaskingPolicy
from bastion.model import Grant
from bastion.policy.rules import RuleSet
from bastion.reading import CommandReader
from bastion.store.thread import StoreThread
from bastion.target.dial import Dialer
from recorder.storage import DiskStorage


@dataclass(frozen=True, slots=True)
class Ruling:
    """What one version of bastion.toml says."""

    config: Config
    access: Access
    rules: RuleSet
    masking: MaskingPolicies
    issuers: Issuers

    def target(self, name: str) -> Target:
        """Return a target that was granted. Raises AccessDenied where the configuration has it no more."""
        found = find(self.config, name)
        if found is None:
            raise AccessDenied(DENIED, log="the target was taken away meanwhile")
        return found

    def masks(self, grant: Grant) -> MaskingPolicy:
        """Return what is masked for whom a grant is for."""
        return self.masking.of(self.target(grant.target), grant.roles)


@dataclass(slots=True)
class Services:
    """The running parts of the bastion. `ruling` is replaced by a reload; once `draining`, no channel opens."""

    ruling: Ruling
    keys: ServerKeys
    reader: CommandReader
    approvals: Approvals
    audit: AuditLog
    thread: StoreThread
    recordings: DiskStorage
    dialer: Dialer
    live: Live
    clock: Callable[[], datetime]
    draining: bool = False
    worker: str = ""  # the id of this process, under which sessions are stored
