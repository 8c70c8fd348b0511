"""The command `login` on the bastion: a public key comes in on stdin, a user certificate goes out on stdout.

Who logged in on this very connection gets the certificate at once. Who came with a certificate logs in once more first
(the URL and code are shown on stderr): a certificate never prolongs itself.
"""

import secrets

from bastion.audit import Event, EventType
from bastion.auth.authority import UserAuthority
from bastion.auth.certificate import MAX_SERIAL
from bastion.auth.userkeys import parse_public_key
from bastion.channel.services import Services
from bastion.door.console import Console
from bastion.door.limits import DoorLimits
from bastion.door.login import LoginExchange, instruction_of
from bastion.door.notes import note_login
from bastion.door.throttle import source
from bastion.errors import LoginError, UnavailableError
from bastion.model import Identity
from bastion.session.connection import ClientConnection

LOGIN = "login"
KEY_LIMIT = 32 * 1024


async def sign_for(services: Services, limits: DoorLimits, client: ClientConnection, terminal: Console) -> int:
    """Read a public key and print a certificate over it; return the exit status. Raises BastionError."""
    key = parse_public_key(await _read_line(terminal))
    identity = client.identity
    if identity.serial:
        identity = await _log_in_again(services, limits, client, terminal)
    now = services.clock()
    authority = UserAuthority(services.keys.user_ca, services.ruling.config.certificates)
    issued = authority.issue(identity, key, now, secrets.randbelow(MAX_SERIAL) + 1)
    await services.thread.run(services.thread.store.certificates.add, issued.row)
    row = issued.row
    data = {
        "serial": str(row.serial),
        "issuer": row.issuer,
        "subject": row.subject,
        "groups": list(identity.groups),
        "fingerprint": row.fingerprint,
        "expires": row.expires.isoformat(),
        "connection": client.origin.connection,
        "address": client.origin.address,
    }
    await services.audit.record(Event(EventType.CERTIFICATE_ISSUED, identity.name, "", data))
    terminal.write(f"{issued.line}{terminal.newline}".encode())
    await terminal.drain()
    return 0


async def _read_line(terminal: Console) -> str:
    if terminal.is_tty:
        raise LoginError("give your public key on stdin: ssh HOST login < ~/.ssh/id_ed25519.pub > id_ed25519-cert.pub")
    data = bytearray()
    while chunk := await terminal.read():
        data += chunk
        if len(data) > KEY_LIMIT:
            break
    return data.decode("utf-8", "replace")


async def _log_in_again(
    services: Services, limits: DoorLimits, client: ClientConnection, terminal: Console
) -> Identity:
    address = source(client.origin.address)

    def to_browser() -> None:
        if not limits.to_browser(address):
            raise UnavailableError("too many people are logging in at this moment; try again in a minute")

    exchange = LoginExchange(services.ruling, services.clock, to_browser)
    try:
        challenge = await exchange.challenge(f"bastion-device:{client.identity.issuer}")
        terminal.error(instruction_of(challenge).encode())
        await exchange.answer([])
    finally:
        if exchange.at_browser:
            limits.from_browser(address)
    assert exchange.identity is not None
    await note_login(services, exchange.identity, client.origin.address)
    return exchange.identity
