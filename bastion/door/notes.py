"""What the door writes into the journal."""

import logging

from bastion.audit import Event, EventType
from bastion.channel.services import Services
from bastion.errors import UnavailableError
from bastion.model import Identity
from bastion.session.connection import ClientConnection

log = logging.getLogger(__name__)


async def note(services: Services, event: EventType, client: ClientConnection, **data: object) -> None:
    """Journal what a client did. Raises UnavailableError."""
    facts = {"connection": client.origin.connection, "address": client.origin.address, **data}
    await services.audit.record(Event(event, client.identity.name, "", facts))


async def note_login(services: Services, identity: Identity, address: str) -> None:
    """Journal that somebody proved who they are. Raises UnavailableError."""
    data = {
        "issuer": identity.issuer,
        "subject": identity.subject,
        "groups": list(identity.groups),
        "kind": str(identity.kind),
        "address": address,
    }
    await services.audit.record(Event(EventType.LOGIN, identity.name, "", data))


async def note_refused_login(services: Services, address: str, how: str, why: str) -> None:
    """Journal that somebody did not get in. A journal that fails changes nothing about the refusal."""
    try:
        await services.audit.record(Event(EventType.LOGIN_FAILED, "", "", {"address": address, "how": how, "why": why}))
    except UnavailableError as error:
        log.error("a refused login could not be journalled: %s", error.log)  # noqa: TRY400 - the cause is in the text
