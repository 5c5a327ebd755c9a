"""From the leaf that a checkpoint points at to the transcript that it stands for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from langgraph.checkpoint.serde.base import SerializerProtocol

from .advice import COMMAND
from .cached_message import Node, plain_ones
from .cached_thread import CachedThread
from .decoding import UnreadableMessageError, read_message
from .errors import StorageError
from .transcript import digests_of, is_genuine

#: A message's row as it is selected for reading: id, parent's id, digest, payload's type, payload,
#: and the trace of a redaction.
StoredRow = tuple[bytes, bytes | None, bytes, str, bytes, bytes | None]

#: The parts that any checkpoint has.
_PARTS = {"v": int, "id": str, "channel_versions": dict, "versions_seen": dict}
#: What versions of channels may be: LangGraph's savers count in each of these.
_VERSIONS = frozenset({str, int, float})


class TranscriptError(StorageError):
    """A stored transcript is not what its checkpoint says: something other than the checkpointer
    has changed or deleted its rows."""


class UnreadableCheckpointError(StorageError, ValueError):
    """A value of a checkpoint, or a pending write, that the serialiser can make nothing of."""


def refuse_damaged(selected: Iterable[Mapping[str, Any]]) -> None:
    """See that selected checkpoints have what LangGraph takes for granted in one.

    Raises:
        UnreadableCheckpointError: one of them hasn't.
    """
    for row in selected:
        of: Any = row["checkpoint"]
        if not (
            isinstance(of, dict)
            and isinstance(row["metadata"], dict)
            and all(isinstance(of.get(key), kind) for key, kind in _PARTS.items())
            and _VERSIONS.issuperset(map(type, of["channel_versions"].values()))
        ):
            raise UnreadableCheckpointError(
                f"checkpoint {row['checkpoint_id']} of thread {row['thread_id']!r} is not what was "
                "stored: its columns `checkpoint` and `metadata` don't hold what LangGraph puts "
                "there. Restore the row of `checkpoints` from a backup."
            )


def keep_rows(
    thread_id: str,
    cached: CachedThread,
    serde: SerializerProtocol,
    leaves: Iterable[bytes],
    rows: Sequence[StoredRow],
) -> None:
    """Keep the messages that lead to these leaves, from all of a conversation's rows in any order.

    Raises:
        TranscriptError: a row is missing, or is not what was stored.
        UnreadableMessageError: a row holds a message of a class that the serialiser refuses.
    """
    by_id = {row[0]: row for row in rows}
    by_digest = {row[2]: row for row in rows}
    for leaf in leaves:
        chain = _chain(by_id, by_digest.get(leaf))
        if chain is None:
            raise TranscriptError(
                f"a checkpoint of thread {thread_id!r} points at message {leaf.hex()}, but it or a "
                f"message before it is not in the table `messages`. `{COMMAND} verify` tells more; "
                "restore the missing rows from a backup."
            )
        _keep(thread_id, cached, serde, chain)


def _chain(by_id: dict[bytes, StoredRow], row: StoredRow | None) -> list[StoredRow] | None:
    """The rows from the first message to this one, or none where one is missing."""
    chain: list[StoredRow] = []
    # In a damaged tree, parents could run in a circle.
    while row is not None and len(chain) <= len(by_id):
        chain.append(row)
        if row[1] is None:
            chain.reverse()
            return chain
        row = by_id.get(row[1])
    return None


def _keep(
    thread_id: str, cached: CachedThread, serde: SerializerProtocol, chain: Sequence[StoredRow]
) -> None:
    """Keep rows, of which each is the parent of the next, if they are what was stored."""
    parents: Sequence[bytes | None] = [None, *(row[2] for row in chain[:-1])]
    if any(row[2] in cached for row in chain):
        places = [place for place, row in enumerate(chain) if row[2] not in cached]
        chain, parents = [chain[place] for place in places], [parents[place] for place in places]
    _refuse_changed(thread_id, chain, parents)
    plain = plain_ones(serde, [row[3:5] for row in chain])
    nodes = [
        _node_of(thread_id, serde, row, parent) if one is None else Node(parent, one, row[4])
        for row, parent, one in zip(chain, parents, plain, strict=True)
    ]
    for row, node in zip(chain, nodes, strict=True):
        cached.add(row[2], node)


def _node_of(
    thread_id: str, serde: SerializerProtocol, row: StoredRow, parent: bytes | None
) -> Node:
    """A row whose message is not plain."""
    id_, _, _, payload_type, payload, _ = row
    try:
        return Node(parent, read_message(serde, payload_type, payload), payload)
    except UnreadableMessageError as error:
        raise UnreadableMessageError(
            f"message {UUID(bytes=id_)} of thread {thread_id!r} can't be read: {error}"
        ) from error
    except (ValueError, NotImplementedError) as error:
        raise TranscriptError(
            f"message {UUID(bytes=id_)} of thread {thread_id!r} is not what was stored: the "
            f"serialiser says of its payload, of type {payload_type!r}: {error}. "
            f"`{COMMAND} verify` tells more; restore the row from a backup."
        ) from error


def _refuse_changed(
    thread_id: str, rows: Sequence[StoredRow], parents: Sequence[bytes | None]
) -> None:
    """See that rows, each with its parent's digest, hold what their digests say."""
    made = digests_of(parents, (row[4] for row in rows))
    for row, parent, is_now in zip(rows, parents, made, strict=True):
        id_, _, digest, _, payload, redaction = row
        if (is_now != digest or redaction is not None) and not is_genuine(
            parent, digest, payload, redaction
        ):
            raise TranscriptError(
                f"message {UUID(bytes=id_)} of thread {thread_id!r} is not what was stored: its "
                f"digest does not match its payload and its parent. `{COMMAND} verify` tells more; "
                "restore the row from a backup."
            )
