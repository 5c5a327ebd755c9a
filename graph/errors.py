"""What the agent raises.

They are ValueErrors and RuntimeErrors because LangGraph's server passes the text of no other
errors on to clients.
"""


class NoMessageError(ValueError):
    """The input holds no message. Send {"messages": [{"role": "user", "content": "…"}]}."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class ModelNotConfiguredError(ValueError):
    """A model was asked for that this server has no key for."""


class ModelUnavailableError(RuntimeError):
    """The model could not answer just now; the same request may work in a moment."""


class ModelRefusedError(RuntimeError):
    """The model will not answer this request, however often it is sent."""
