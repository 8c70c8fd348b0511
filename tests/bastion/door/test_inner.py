"""Nested servers: what is kept for the next jump to the same target is bounded, whatever names clients think of."""

from datetime import UTC, datetime
from typing import Any

import asyncssh
import pytest

from bastion.auth.authority import HostAuthority
from bastion.door import inner
from bastion.door.inner import InnerServers

NOW = datetime(2026, 11, 22, tzinfo=UTC)


async def test_certificates_of_few_targets_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inner, "MOST_OPTIONS", 3)
    key = asyncssh.generate_private_key("ssh-ed25519")
    servers, client = InnerServers(key, HostAuthority(key)), Any
    for name in ("a", "b", "c", "a", "d", "e"):
        await servers.open(client, name, NOW)  # type: ignore[arg-type]  # no channel opens
    assert list(servers._options) == ["c", "d", "e"]
