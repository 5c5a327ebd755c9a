"""What goes wrong between the command `task-agent` and the server. Each says what to do next."""


class LaunchError(Exception):
    """The server can't be started as it was asked for."""


class NotInOrderError(Exception):
    """Something that the agent needs doesn't work."""


class ChatError(Exception):
    """A conversation can't begin, or can't go on."""


class ServerUnreachableError(ChatError):
    """No server answers, or it stopped answering."""


class ThreadNotFoundError(ChatError):
    """The server has no such thread."""


class RunFailedError(ChatError):
    """The server answers, but not to this message."""
