"""Errors of the recorder. This package stands alone, so it has a base of its own beside the bastion's."""


class RecordingError(Exception):
    """A recording cannot be written, read or found.

    `str(error)` is one line for the user: lower case, naming the file and the cause. It never holds recorded data.
    """


class RecordingMissingError(RecordingError):
    """There is no recording of that name."""


def cause(error: OSError) -> str:
    """Return what the system says went wrong, in lower case and without number and path."""
    return (error.strerror or str(error)).lower()
