"""From the leaf that a checkpoint points at to the transcript that it stands for."""

from collections.abc import Iterable
from typing import Any

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.base import SerializerProtocol
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from .errors import StorageError
from .message_cache import CachedThread, MessageCache, Node
from .rows import CHANNEL, LEAF_TYPE, select_messages
from .transcript import digest_of

#: Digests and messages, from the first message of a transcript to its leaf.
Path = list[tuple[bytes, Node]]


class TranscriptError(StorageError):
    """A stored transcript is not what its checkpoint says: something other than the checkpointer
    has changed or deleted its rows."""


class UnreadableMessageError(StorageError, TypeError):
    """A message of a class that the serialiser refuses to restore."""


def leaf_of(value: DictRow) -> bytes | None:
    """The digest that a selected checkpoint holds in the place of its messages."""
    for channel, kind, blob in value["channel_values"] or ():
        if channel == CHANNEL.encode() and kind == LEAF_TYPE.encode():
            return bytes(blob)
    return None


def take_leaf(value: DictRow) -> bytes | None:
    """The same, and remove it from the values, which the serialiser will read."""
    leaf = leaf_of(value)
    if leaf is not None:
        value["channel_values"] = [
            entry for entry in value["channel_values"] if entry[1] != LEAF_TYPE.encode()
        ]
    return leaf


async def read_transcripts(
    connection: AsyncConnection[Any],
    cache: MessageCache,
    serde: SerializerProtocol,
    thread_id: str,
    leaves: Iterable[bytes],
) -> dict[bytes, list[BaseMessage]]:
    """The transcript that each leaf ends, all from one reading of the thread's rows at most.

    The messages are copies for the caller; transcripts of one call share them.

    Raises:
        TranscriptError: a row is missing, or is not what was stored.
    """
    cached = cache.thread(thread_id)
    paths: dict[bytes, Path] = {}
    missing = []
    for leaf in leaves:
        if path := cached.path(leaf):
            paths[leaf] = path
        else:
            missing.append(leaf)
    if missing:
        rows = await select_messages(connection, thread_id)
        paths |= _read_paths(thread_id, cached, serde, rows, missing)
        cache.trim(thread_id)
    nodes = {digest: node for path in paths.values() for digest, node in path}
    handed_out = dict(zip(nodes, cached.hand_out(nodes.items()), strict=True))
    return {leaf: [handed_out[digest] for digest, _ in path] for leaf, path in paths.items()}


def _read_paths(
    thread_id: str,
    cached: CachedThread,
    serde: SerializerProtocol,
    rows: list[DictRow],
    leaves: Iterable[bytes],
) -> dict[bytes, Path]:
    by_id = {row["id"]: row for row in rows}
    by_digest = {bytes(row["digest"]): row for row in rows}
    nodes: dict[bytes, Node] = {}
    paths = {}
    for leaf in leaves:
        chain = _chain(by_id, by_digest.get(leaf))
        if chain is None:
            raise TranscriptError(
                f"a checkpoint of thread {thread_id!r} points at message {leaf.hex()}, but it or a "
                "message before it is not in the table `messages`. Restore the missing rows from "
                "a backup."
            )
        path: Path = []
        parent: bytes | None = None
        for row in chain:
            digest = bytes(row["digest"])
            if digest not in nodes:
                nodes[digest] = _read_node(thread_id, cached, serde, row, parent)
            path.append((digest, nodes[digest]))
            parent = digest
        paths[leaf] = path
    return paths


def _chain(by_id: dict[Any, DictRow], row: DictRow | None) -> list[DictRow] | None:
    """The rows from the first message to this one, or none where one is missing."""
    chain: list[DictRow] = []
    # In a damaged tree, parents could run in a circle.
    while row is not None and len(chain) <= len(by_id):
        chain.append(row)
        if row["parent_id"] is None:
            chain.reverse()
            return chain
        row = by_id.get(row["parent_id"])
    return None


def _read_node(
    thread_id: str,
    cached: CachedThread,
    serde: SerializerProtocol,
    row: DictRow,
    parent: bytes | None,
) -> Node:
    digest, payload = bytes(row["digest"]), bytes(row["payload"])
    if digest_of(parent, payload) != digest:
        raise TranscriptError(
            f"message {row['id']} of thread {thread_id!r} is not what was stored: its digest does "
            "not match its payload and its parent. Restore the row from a backup."
        )
    message = read_message(serde, row["payload_type"], payload)
    return cached.add(digest, parent, message, len(payload))


def read_message(serde: SerializerProtocol, payload_type: str, payload: bytes) -> BaseMessage:
    """The message that a payload holds.

    Raises:
        UnreadableMessageError: the serialiser makes something else of it.
    """
    message = serde.loads_typed((payload_type, payload))
    if not isinstance(message, BaseMessage):
        raise UnreadableMessageError(
            f"the serialiser can't make a message of {_shown(payload)}: it restores LangChain's "
            "own "
            "classes, and others only if they are named to it. Use one of LangChain's, or give "
            "the checkpointer a serialiser with the class in its `allowed_msgpack_modules`."
        )
    return message


def _shown(payload: bytes) -> str:
    """The beginning of a payload, which holds the name of the class."""
    return repr(payload[:120].decode(errors="replace"))
