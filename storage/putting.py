"""What a step writes: which messages are new, and which values are stored apart."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.types import _DeltaSnapshot

from .message_cache import CachedThread
from .reading import read_message
from .transcript import Row, digest_of, row_of, storable


@dataclass
class Written:
    """The part of a transcript that a step writes."""

    rows: list[Row] = field(default_factory=list)
    #: The objects that the rows were made from, and what will be read of them: what is cached is
    #: what is stored, not what a node may make of a message while the step is committed.
    messages: list[BaseMessage] = field(default_factory=list)
    stored: list[BaseMessage] = field(default_factory=list)
    #: The last row of the whole transcript, written now or before.
    leaf: bytes | None = None


def new_rows(
    cached: CachedThread, serde: SerializerProtocol, messages: list[BaseMessage]
) -> Written:
    """The rows of a transcript that may not be stored yet: all from the first unknown on."""
    digests = cached.recognise(messages)
    written = Written(leaf=digests[-1] if digests else None)
    now = datetime.now(UTC)
    for position in range(len(digests), len(messages)):
        message = messages[position]
        payload_type, payload = serde.dumps_typed(message)
        digest = digest_of(written.leaf, payload)
        if digest in cached:
            # Another object than before, but the same message in the same place.
            cached.remember(message, digest)
        else:
            written.messages.append(message)
            written.stored.append(read_message(serde, payload_type, payload))
            written.rows.append(
                row_of(
                    messages,
                    position,
                    parent=written.leaf,
                    payload_type=payload_type,
                    payload=payload,
                    now=now,
                )
            )
        written.leaf = digest
    return written


def split_values(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Channel values as the plain saver splits them: small ones in the checkpoint, others apart."""
    inline: dict[str, Any] = {}
    blobs: dict[str, Any] = {}
    for channel, value in values.items():
        if isinstance(value, _DeltaSnapshot):
            inline[channel] = True
            blobs[channel] = value
        elif _fits_json(value):
            inline[channel] = value
        else:
            blobs[channel] = value
    return inline, blobs


def _fits_json(value: Any) -> bool:
    # A text that `jsonb` can't hold goes where other values go.
    if isinstance(value, str):
        return storable(value) == value
    return value is None or isinstance(value, (int, float, bool))
