"""Postgres: the models, the transcript tree and its checkpointer, the embedded server.

Knows nothing of tasks or of this app. Inside it imports are relative, and the checkpointer and what
looks after its tables, with all that they need, are also shipped by themselves to other LangGraph
apps, as the wheel `langgraph-transcript`, which offers what is listed here and a command.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checkpointer import TranscriptSaver, authenticated_user
    from .decoding import UnreadableMessageError
    from .errors import (
        DatabaseFailedError,
        DatabaseUnreachableError,
        NoSuchThreadError,
        SetupBusyError,
        SetupError,
        StorageError,
        TablesDifferError,
        TablesNewerError,
        UnsuitablePoolError,
    )
    from .finding import AmbiguousMessageError, MessageNotFoundError
    from .opening import PoolOptions, open_pool, open_saver
    from .plain.adopting import Adopted, adopt_threads
    from .plain.ejecting import Ejected, eject_threads
    from .reading import TranscriptError
    from .redacting import RedactedRow, Redaction, RedactionUnfinishedError, redact
    from .repairing import Repaired, repair
    from .stored_values import UnopenableValueError
    from .urls import InvalidURLError
    from .verifying import Finding, Kind, Progress, verify

__all__ = [
    "Adopted",
    "AmbiguousMessageError",
    "DatabaseFailedError",
    "DatabaseUnreachableError",
    "Ejected",
    "Finding",
    "InvalidURLError",
    "Kind",
    "MessageNotFoundError",
    "NoSuchThreadError",
    "PoolOptions",
    "Progress",
    "RedactedRow",
    "Redaction",
    "RedactionUnfinishedError",
    "Repaired",
    "SetupBusyError",
    "SetupError",
    "StorageError",
    "TablesDifferError",
    "TablesNewerError",
    "TranscriptError",
    "TranscriptSaver",
    "UnopenableValueError",
    "UnreadableMessageError",
    "UnsuitablePoolError",
    "adopt_threads",
    "authenticated_user",
    "eject_threads",
    "open_pool",
    "open_saver",
    "redact",
    "repair",
    "verify",
]

_HOMES = {
    "Adopted": "plain.adopting",
    "AmbiguousMessageError": "finding",
    "DatabaseFailedError": "errors",
    "DatabaseUnreachableError": "errors",
    "Ejected": "plain.ejecting",
    "Finding": "verifying",
    "InvalidURLError": "urls",
    "Kind": "verifying",
    "MessageNotFoundError": "finding",
    "NoSuchThreadError": "errors",
    "PoolOptions": "opening",
    "Progress": "verifying",
    "RedactedRow": "redacting",
    "Redaction": "redacting",
    "RedactionUnfinishedError": "redacting",
    "Repaired": "repairing",
    "SetupBusyError": "errors",
    "SetupError": "errors",
    "StorageError": "errors",
    "TablesDifferError": "errors",
    "TablesNewerError": "errors",
    "TranscriptError": "reading",
    "TranscriptSaver": "checkpointer",
    "UnopenableValueError": "stored_values",
    "UnreadableMessageError": "decoding",
    "UnsuitablePoolError": "errors",
    "adopt_threads": "plain.adopting",
    "authenticated_user": "checkpointer",
    "eject_threads": "plain.ejecting",
    "open_pool": "opening",
    "open_saver": "opening",
    "redact": "redacting",
    "repair": "repairing",
    "verify": "verifying",
}


def __getattr__(name: str) -> Any:
    # Only when asked for: LangChain and LangGraph take a second to import, and commands need them
    # for little of what they do.
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
