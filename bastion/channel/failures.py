"""What is said about an error that ends a channel: to the user, to the log, and as an exit status.

And what keeps it from ending more: asyncssh closes the whole connection when a session's callback raises.
"""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from bastion.errors import BastionError, TargetUnreachable, UnavailableError
from bastion.inspectors.actions import ExitStatus
from recorder.errors import RecordingError

log = logging.getLogger(__name__)

DEFECT = "internal error; the server's log has the details"


class Failing(Protocol):
    """A session whose channel can be ended alone."""

    def fail(self) -> None:
        """End the channel after a defect of the bastion's; raises nothing."""


P = ParamSpec("P")
S = TypeVar("S", bound=Failing)


def contained(callback: Callable[Concatenate[S, P], None]) -> Callable[Concatenate[S, P], None]:
    """Have a callback of asyncssh's raise nothing: what it raised ends its own channel."""

    @wraps(callback)
    def call(self: S, /, *args: P.args, **options: P.kwargs) -> None:
        try:
            callback(self, *args, **options)
        except Exception:
            log.exception("a channel fails closed")
            self.fail()

    return call


def explain(error: Exception) -> tuple[str, str]:
    """Return what the user may read of an error, and what the log gets."""
    if isinstance(error, BastionError):
        return str(error), error.log
    if isinstance(error, RecordingError):
        return "this session can't be recorded any more, so it ends here; ask an administrator", str(error)
    return "internal error, so this session ends here; the server's log has the details", repr(error)


def failed_status(error: Exception) -> ExitStatus:
    """A target that does not answer looks as it does to plain ssh; what the bastion lacks now may be back soon."""
    if isinstance(error, UnavailableError) and not isinstance(error, TargetUnreachable):
        return ExitStatus.TRY_AGAIN
    return ExitStatus.FAILED


def unexpected(error: Exception) -> bool:
    """Return whether it is a defect of the bastion's, whose traceback belongs into the log."""
    return not isinstance(error, BastionError | RecordingError)
