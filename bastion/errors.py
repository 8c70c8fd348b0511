"""Errors of the bastion: one base, then by whose fault.

Each error carries a text that is safe to show to the user (`str(error)`) and may carry a fuller one
for the log (`error.log`). Texts are lower case, without a final full stop, and say what to do next.
"""


class BastionError(Exception):
    """Base of all errors this package raises on purpose.

    Parameters
    ----------
    message: one line, safe to show to the caller.
    log: a fuller text for the log; defaults to the message. Holds no secrets.
    """

    exit_status = 1

    def __init__(self, message: str, *, log: str | None = None) -> None:
        super().__init__(message)
        self.log = log if log is not None else message


class ConfigError(BastionError):
    """The configuration or the command line is wrong; the message names file and key."""

    exit_status = 2


class LoginError(BastionError):
    """A proof of identity was not accepted (OIDC, certificate)."""


class AccessDenied(BastionError):
    """The caller is known, but may not do this."""

    exit_status = 3


class NotFoundError(BastionError):
    """There is no such thing, for a caller who would be allowed to see it."""

    exit_status = 4


class UnavailableError(BastionError):
    """Something needed does not answer now; trying again later may work."""

    exit_status = 75


class TargetUnreachable(UnavailableError):
    """The target cannot be reached, or is not the host it should be."""


class ProtocolError(BastionError):
    """A protocol was not spoken as its specification asks."""


class LocalProtocolError(ProtocolError):
    """Our own side would have broken the protocol: a defect."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol."""
