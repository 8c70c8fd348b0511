"""What is said about an error that ends a channel: to the user, to the log, and as an exit status."""

from bastion.errors import BastionError, TargetUnreachable, UnavailableError
from bastion.inspectors.actions import ExitStatus
from recorder.errors import RecordingError


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
