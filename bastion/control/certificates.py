"""Issued certificates: everyone sees and may revoke their own, the right `revoke` extends to all.

Revoking also cuts every connection that one of the certificates opened.
"""

from collections.abc import Sequence

from bastion.audit import EventType
from bastion.control.services import Control
from bastion.errors import AccessDenied, NotFoundError
from bastion.model import ControlRight
from bastion.store.base import CertificateRow

_ALL = 100_000  # rows looked through for one to revoke


async def find(control: Control, limit: int) -> Sequence[CertificateRow]:
    """Return certificates, newest first: all with the right `revoke` or `audit`, the caller's own without."""
    if control.may(ControlRight.REVOKE) or control.may(ControlRight.AUDIT):
        return await control.run(control.store.certificates.list, limit=limit)
    return (await _own(control))[:limit]


async def revoke(control: Control, which: str) -> Sequence[CertificateRow]:
    """Revoke a certificate by serial number, or all of a user's valid ones by name; return what was revoked.

    Raises NotFoundError where nothing is left to revoke, AccessDenied for others' without the right `revoke`.
    """
    everything = control.may(ControlRight.REVOKE)
    rows = await control.run(control.store.certificates.list, limit=_ALL) if everything else await _own(control)
    chosen = [row for row in rows if which in {str(row.serial), row.identity}]
    open_ = [row for row in chosen if row.revoked is None and row.expires > control.now]
    if not chosen and not everything:
        raise AccessDenied('you may revoke your own certificates; others\' take a role with control = ["revoke"]')
    if not open_:
        raise NotFoundError(f"no valid certificate has this serial or user: {which}; see: bastion certs list")
    for row in open_:
        await control.run(control.store.certificates.revoke, row.serial, control.now)
        await control.record(EventType.CERTIFICATE_REVOKED, serial=str(row.serial), user=row.identity)
    serials = frozenset(row.serial for row in open_)
    await control.services.live.disconnect(serials, by=control.identity.name)
    return open_


async def _own(control: Control) -> list[CertificateRow]:
    identity = control.identity
    rows = await control.run(control.store.certificates.list, identity=identity.name, limit=_ALL)
    return [row for row in rows if (row.issuer, row.subject) == (identity.issuer, identity.subject)]
