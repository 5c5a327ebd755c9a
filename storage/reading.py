"""From the leaf that a checkpoint points at to the transcript that it stands for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from langgraph.checkpoint.serde.base import SerializerProtocol

from .cached_message import Node, plain_ones
from .cached_thread import CachedThread
from .decoding import UnreadableMessageError
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
                "message before it is not in the table `messages`. `task-agent verify` tells more; "
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
    parents = [None, *(row[2] for row in chain)]
    new = [
        (row, parent) for row, parent in zip(chain, parents, strict=False) if row[2] not in cached
    ]
    _refuse_changed(thread_id, new)
    stored = [(payload_type, payload) for (_, _, _, payload_type, payload, _), _ in new]
    plain = plain_ones(serde, stored)
    nodes = []
    for (row, parent), (payload_type, payload), one in zip(new, stored, plain, strict=True):
        try:
            nodes.append(Node(parent, serde, payload_type, payload, one))
        except UnreadableMessageError as error:
            raise UnreadableMessageError(
                f"message {UUID(bytes=row[0])} of thread {thread_id!r} can't be read: {error}"
            ) from error
        except (ValueError, NotImplementedError) as error:
            raise TranscriptError(
                f"message {UUID(bytes=row[0])} of thread {thread_id!r} is not what was stored: the "
                f"serialiser says of its payload, of type {payload_type!r}: {error}. "
                "`task-agent verify` tells more; restore the row from a backup."
            ) from error
    for (row, _), node in zip(new, nodes, strict=True):
        cached.add(row[2], node)


def _refuse_changed(thread_id: str, rows: Sequence[tuple[StoredRow, bytes | None]]) -> None:
    """See that rows, each with its parent's digest, hold what their digests say."""
    digests = digests_of((parent for _, parent in rows), (row[4] for row, _ in rows))
    for (row, parent), made in zip(rows, digests, strict=True):
        id_, _, digest, _, payload, redaction = row
        if (made != digest or redaction is not None) and not is_genuine(
            parent, digest, payload, redaction
        ):
            raise TranscriptError(
                f"message {UUID(bytes=id_)} of thread {thread_id!r} is not what was stored: its "
                "digest does not match its payload and its parent. `task-agent verify` tells more; "
                "restore the row from a backup."
            )
