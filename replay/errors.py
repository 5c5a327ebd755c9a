"""What `replay` raises. Each message names the value at fault and what to do next."""


class ReplayError(Exception):
    """Something about a recording, or about playing it, is not as it has to be."""


class ThreadNotFoundError(ReplayError):
    """Nothing is stored of the thread that was to be exported."""


class InvalidRecordingError(ReplayError):
    """A file is not a recording, or one of a format that this version doesn't know."""


class ScriptExhaustedError(ReplayError):
    """The scripted model was asked for more answers than it was given."""


class PromptDiffersError(ReplayError):
    """The scripted model was not shown the messages that its next answer belongs to."""


class CallNotRecordedError(ReplayError):
    """A tool call is about to be made whose time is not in the script."""


class NoTemporaryDatabaseError(ReplayError):
    """The server didn't let a database be made for the replay, or be dropped after it."""
