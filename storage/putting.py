"""What a step writes: which messages are new, and which values are stored apart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.types import _DeltaSnapshot

from .cached_message import Node, node_of
from .cached_thread import CachedThread
from .decoding import read_message
from .refusing import told
from .rows import CHANNEL
from .transcript import CallsAsked, Row, digest_of, row_of, storable


@dataclass
class Written:
    """The transcript of a step, and the part of it that may not be stored yet."""

    messages: Sequence[BaseMessage] = ()
    #: Of every message.
    digests: list[bytes] = field(default_factory=list)
    #: Of the messages from the first unknown one on, as far as they are new.
    rows: list[Row] = field(default_factory=list)
    #: The same for the cache: what is cached is what is stored, not what a node may make of a
    #: message while the step is committed.
    nodes: list[Node] = field(default_factory=list)

    @property
    def leaf(self) -> bytes | None:
        """The last row of the whole transcript, written now or before."""
        return self.digests[-1] if self.digests else None

    def keep(self, cached: CachedThread) -> None:
        """Remember it, once it has been committed."""
        for row, node in zip(self.rows, self.nodes, strict=True):
            cached.add(row.digest, node)
        cached.remember(self.messages, self.digests)


def new_rows(
    cached: CachedThread, serde: SerializerProtocol, messages: list[BaseMessage]
) -> Written:
    """The rows of a transcript that may not be stored yet: all from the first unknown on.

    Raises:
        UnreadableMessageError: a message that could be stored but not read again.
        UnstorableError: a message that can't be stored.
    """
    # The list is the graph's, which may go on with it.
    written = Written(messages.copy(), cached.recognise(messages))
    # Rows show what their payloads say, and not everything is read as it was written: an
    # enumeration's member in a call's arguments, say.
    shown = messages.copy()
    redactions = cached.redactions
    asked, now = CallsAsked(shown), datetime.now(UTC)
    for position in range(len(written.digests), len(messages)):
        message = messages[position]
        with told(f"message {position + 1} of {len(messages)}", message, serde):
            payload_type, payload = serde.dumps_typed(message)
        parent = written.leaf
        digest = digest_of(parent, payload)
        known = cached.get(digest)
        is_new = known is None
        if redactions is not None and known is None:
            blank = redactions.blank(payload_type, payload, serde)
            if digest in redactions.digests:
                is_new = False
            elif blank is not payload:
                # On a new branch a redacted message is a new row.
                digest = digest_of(parent, blank)
                known = cached.get(digest)
                is_new = known is None
            payload = blank
        node = known or node_of(parent, serde, payload_type, payload)
        shown[position] = node.message
        # Else it is another object than before, but the same message in the same place.
        if is_new:
            written.nodes.append(node)
            written.rows.append(
                row_of(
                    shown,
                    position,
                    parent=parent,
                    payload_type=payload_type,
                    payload=payload,
                    now=now,
                    asked=asked,
                )
            )
        written.digests.append(digest)
    return written


def refuse_unreadable(serde: SerializerProtocol, writes: Sequence[tuple[str, Any]]) -> None:
    """See that the messages among a task's writes can be read again.

    A step refuses those that can't be. Were they stored as its pending writes all the same, nobody
    could read the thread's state until somebody runs it again.

    Raises:
        UnreadableMessageError: one of them can't be.
    """
    for channel, value in writes:
        if channel != CHANNEL:
            continue
        for message in value if isinstance(value, list) else [value]:
            known = type(message).__module__.startswith("langchain_core.messages.")
            if isinstance(message, BaseMessage) and not known:
                read_message(serde, *serde.dumps_typed(message))


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
    # What `jsonb` can't hold goes where other values go. Of a number it keeps the value, and not
    # whether it was 1e22 or an integer, nor the sign of zero.
    if isinstance(value, str):
        return storable(value) == value
    if isinstance(value, float):
        return math.isfinite(value) and "e+" not in (shown := repr(value)) and shown != "-0.0"
    return value is None or isinstance(value, (int, bool))
