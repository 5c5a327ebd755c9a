"""Postgres: the models, the transcript tree and its checkpointer, the embedded server.

Knows nothing of tasks or of this app. Inside it imports are relative, and the checkpointer, with
all that it needs, is also shipped by itself to other LangGraph apps, as the wheel
`langgraph-transcript`, which offers what is listed here.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checkpointer import TranscriptSaver, authenticated_user
    from .decoding import UnreadableMessageError
    from .errors import (
        DatabaseFailedError,
        DatabaseUnreachableError,
        SetupBusyError,
        SetupError,
        StorageError,
        TablesDifferError,
        TablesNewerError,
        UnsuitablePoolError,
    )
    from .opening import PoolOptions, open_saver
    from .reading import TranscriptError

__all__ = [
    "DatabaseFailedError",
    "DatabaseUnreachableError",
    "PoolOptions",
    "SetupBusyError",
    "SetupError",
    "StorageError",
    "TablesDifferError",
    "TablesNewerError",
    "TranscriptError",
    "TranscriptSaver",
    "UnreadableMessageError",
    "UnsuitablePoolError",
    "authenticated_user",
    "open_saver",
]

_HOMES = {
    "DatabaseFailedError": "errors",
    "DatabaseUnreachableError": "errors",
    "PoolOptions": "opening",
    "SetupBusyError": "errors",
    "SetupError": "errors",
    "StorageError": "errors",
    "TablesDifferError": "errors",
    "TablesNewerError": "errors",
    "TranscriptError": "reading",
    "TranscriptSaver": "checkpointer",
    "UnreadableMessageError": "decoding",
    "UnsuitablePoolError": "errors",
    "authenticated_user": "checkpointer",
    "open_saver": "opening",
}


def __getattr__(name: str) -> Any:
    # Only when asked for: LangChain and LangGraph take a second to import, and the command
    # `task-agent` needs them for little of what it does.
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
