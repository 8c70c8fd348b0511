"""The login exchange over keyboard-interactive authentication (RFC 4256): who is calling, by OIDC.

Stock ssh sends no submethods and gets the device login: an instruction with URL and code and no prompts. The CLI names
what it wants: `bastion-token[:ISSUER]` (a JWT is asked for in one prompt) or `bastion-device[:ISSUER]`. The result is
an identity good for this connection alone; a certificate is issued later, by the command `login`, over that identity.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum, auto

from bastion.auth.authority import certificate_lifetime
from bastion.auth.device import DeviceLogin
from bastion.auth.tokens import Proof, to_identity
from bastion.channel.services import Ruling
from bastion.errors import LoginError
from bastion.model import Identity

NAME = "bastion login"
TOKEN_METHOD = "bastion-token"  # noqa: S105 - the name of a method, not a secret
DEVICE_METHOD = "bastion-device"

Challenge = tuple[str, str, str, Sequence[tuple[str, bool]]]


class _State(Enum):
    NEW = auto()
    ISSUER = auto()
    TOKEN = auto()
    DEVICE = auto()
    DONE = auto()


class LoginExchange:
    """One try to log in.

    Parameters
    ----------
    ruling: the configuration in force, with its issuers.
    clock: the time.
    wait_for_person: called before a person is sent to a browser; raises where too many are there already.
    """

    def __init__(
        self,
        ruling: Ruling,
        clock: Callable[[], datetime],
        wait_for_person: Callable[[], None],
    ) -> None:
        self._config = ruling.config
        self._issuers = ruling.issuers
        self._clock = clock
        self._wait_for_person = wait_for_person
        self._state = _State.NEW
        self._issuer: str | None = None
        self._device: DeviceLogin | None = None
        self.identity: Identity | None = None
        self.at_browser = False

    async def challenge(self, submethods: str) -> Challenge:
        """Return the first challenge. Raises LoginError or UnavailableError, whose text the user may read."""
        method, _, issuer = submethods.partition(":")
        if method == TOKEN_METHOD:
            self._issuer = issuer or None
            self._state = _State.TOKEN
            return (NAME, "", "", [("Token: ", False)])
        choices = self._interactive()
        if method == DEVICE_METHOD and issuer:
            choices = [name for name in choices if name == issuer]
        if not choices:
            raise LoginError("no certificate was shown and logging in here is switched off; run: bastion login")
        if len(choices) > 1:
            self._state = _State.ISSUER
            return (NAME, "", "", [(f"Issuer ({', '.join(choices)}): ", True)])
        return await self._start_device(choices[0])

    async def answer(self, responses: Sequence[str]) -> Challenge | bool:
        """Take the client's answer: the next challenge, or True once the identity is proven."""
        state, self._state = self._state, _State.DONE
        if state is _State.ISSUER and len(responses) == 1:
            chosen = responses[0].strip()
            if chosen not in self._interactive():
                raise LoginError("there is no such issuer; answer with one of the names shown")
            return await self._start_device(chosen)
        if state is _State.TOKEN and len(responses) == 1:
            proof = await self._issuers.verify_token(responses[0], self._clock())
            if self._issuer is not None and proof.issuer != self._issuer:
                raise LoginError(f"the token is one of issuer {proof.issuer}, not of the issuer that was named")
            self.identity = self._good_for_now(proof)
            return True
        if state is _State.DEVICE and not responses and self._device is not None:
            self.identity = self._good_for_now(await self._issuers.poll(self._device))
            return True
        raise LoginError("the answer does not fit the question")

    def _interactive(self) -> list[str]:
        return [issuer.name for issuer in self._config.issuers.values() if issuer.interactive and issuer.client_id]

    def _good_for_now(self, proof: Proof) -> Identity:
        """Return the identity of a proof; it lasts no longer than a certificate would."""
        return to_identity(proof, self._clock() + certificate_lifetime(self._config.certificates, proof.kind))

    async def _start_device(self, issuer: str) -> Challenge:
        self._wait_for_person()
        self.at_browser = True
        self._device = await self._issuers.start_device(issuer)
        self._state = _State.DEVICE
        return (NAME, instruction(self._device), "", [])


def instruction_of(challenge: Challenge) -> str:
    """Return the text of a challenge, for callers that show it themselves."""
    return challenge[1]


def instruction(device: DeviceLogin) -> str:
    """Return what a person is told: where to go, and the code to compare."""
    lines = ["To log in, open this address in a browser:", ""]
    if device.verification_uri_complete:
        lines += [f"    {device.verification_uri_complete}", "", f"and check that it shows the code {device.user_code}"]
    else:
        lines += [f"    {device.verification_uri}", "", f"and enter the code {device.user_code}"]
    return "\n".join([*lines, "", "Waiting until that is done (Ctrl-C gives up) ...", ""])
