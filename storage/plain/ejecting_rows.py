"""From leaves to lists and plain versions: what ejecting a thread reads and writes.

Every function here runs in a transaction that the caller owns.
"""

from typing import Any
from uuid import UUID

from langgraph.checkpoint.serde.base import SerializerProtocol
from psycopg import AsyncCursor
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from ..advice import COMMAND
from ..decoding import read_message
from ..reading import TranscriptError
from ..rows import CHANNEL, LEAF_TYPE
from ..transcript import is_genuine
from .form import EMPTY_TYPE, MSGPACK_TYPE, SHORT_VERSION, join_list, plain_version

#: Bytes of lists that are sent in one statement; a larger list has one by itself.
STEP_BYTES = 8 * 2**20

#: Checkpoints whose versions are rewritten at a time.
PAGE = 500

#: Whether a checkpoint names a version that the plain saver wouldn't.
HAS_SHORT_VERSIONS = (
    f"""(checkpoint @? '$.channel_versions.* ? (@ like_regex "{SHORT_VERSION}")'"""
    f""" OR checkpoint @? '$.versions_seen.*.* ? (@ like_regex "{SHORT_VERSION}")')"""
)

SELECT_TREE = """
    SELECT id, parent_id, digest, payload_type, payload, redaction
    FROM messages WHERE conversation_id = %s
"""
SELECT_LEAVES = """
    SELECT checkpoint_ns, channel, version, blob FROM checkpoint_blobs
    WHERE thread_id = %s AND type = %s ORDER BY checkpoint_ns, channel, version
"""
SELECT_LISTS = """
    SELECT count(*) AS count FROM checkpoint_blobs
    WHERE thread_id = %s AND checkpoint_ns = '' AND channel = %s AND type <> ALL(%s)
"""
# Whatever is answered is waited for, so that statements don't pile up in memory.
REPLACE_LEAVES = """
    UPDATE checkpoint_blobs b SET type = list.type, blob = list.blob
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bytea[])
        AS list(checkpoint_ns, channel, version, type, blob)
    WHERE b.thread_id = %s AND b.checkpoint_ns = list.checkpoint_ns
    AND b.channel = list.channel AND b.version = list.version
    RETURNING 1
"""

SELECT_SHORT_BLOBS = """
    SELECT DISTINCT version FROM checkpoint_blobs WHERE thread_id = %s AND version ~ %s
"""
# A run that went on while its thread was ejected has stored some values once more, under the names
# that they had: one version is one value.
DELETE_TWINS = """
    DELETE FROM checkpoint_blobs b
    USING unnest(%s::text[], %s::text[]) AS plain(short, version), checkpoint_blobs twin
    WHERE b.thread_id = %s AND b.version = plain.short
    AND twin.thread_id = b.thread_id AND twin.checkpoint_ns = b.checkpoint_ns
    AND twin.channel = b.channel AND twin.version = plain.version
"""
RENAME_BLOBS = """
    UPDATE checkpoint_blobs b SET version = plain.version
    FROM unnest(%s::text[], %s::text[]) AS plain(short, version)
    WHERE b.thread_id = %s AND b.version = plain.short
"""
SELECT_SHORT_CHECKPOINTS = f"""
    SELECT checkpoint_ns, checkpoint_id, checkpoint -> 'channel_versions' AS versions,
           checkpoint -> 'versions_seen' AS seen
    FROM checkpoints WHERE thread_id = %s AND {HAS_SHORT_VERSIONS}
    AND (checkpoint_ns, checkpoint_id) > (%s, %s)
    ORDER BY checkpoint_ns, checkpoint_id LIMIT %s
"""  # noqa: S608 - what is put in is a constant.
REPLACE_VERSIONS = """
    UPDATE checkpoints k SET checkpoint = k.checkpoint || plain.versions
    FROM unnest(%s::text[], %s::text[], %s::jsonb[])
        AS plain(checkpoint_ns, checkpoint_id, versions)
    WHERE k.thread_id = %s AND k.checkpoint_ns = plain.checkpoint_ns
    AND k.checkpoint_id = plain.checkpoint_id
    RETURNING 1
"""
DELETE_CONVERSATION = "DELETE FROM conversations WHERE id = %s"


class Tree:
    """The messages of a thread as they are stored."""

    def __init__(self, rows: list[DictRow], serde: SerializerProtocol) -> None:
        self._rows = {row["id"]: row for row in rows}
        self._ids = {bytes(row["digest"]): row["id"] for row in rows}
        self._serde = serde
        #: Rows that are what was stored.
        self._sound: set[UUID] = set()

    @classmethod
    async def read(
        cls, cur: AsyncCursor[DictRow], conversation_id: UUID | None, serde: SerializerProtocol
    ) -> "Tree":
        await cur.execute(SELECT_TREE, (conversation_id,))
        return cls(await cur.fetchall(), serde)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def reached(self) -> int:
        """How many rows are on the way to a leaf that a list was made of."""
        return len(self._sound)

    def list_of(self, leaf: bytes) -> tuple[str, bytes]:
        """The list that a leaf ends, as the plain saver stores it.

        Raises:
            TranscriptError: a row is missing, or is not what was stored.
        """
        rows = self._path(leaf)
        if all(row["payload_type"] == MSGPACK_TYPE for row in rows):
            return MSGPACK_TYPE, join_list([bytes(row["payload"]) for row in rows])
        messages = [
            read_message(self._serde, row["payload_type"], bytes(row["payload"])) for row in rows
        ]
        return self._serde.dumps_typed(messages)

    def _path(self, leaf: bytes) -> list[DictRow]:
        path: list[DictRow] = []
        id_ = self._ids.get(leaf)
        # In a damaged tree, parents could run in a circle.
        while id_ is not None and len(path) <= len(self._rows):
            row = self._rows.get(id_)
            if row is None:
                break
            path.append(row)
            id_ = row["parent_id"]
        if not path or id_ is not None:
            raise TranscriptError(
                f"a checkpoint points at message {leaf.hex()}, but it or a message before it is "
                f"not in the table `messages`. `{COMMAND} verify` tells more; restore the missing "
                "rows from a backup"
            )
        path.reverse()
        parent: bytes | None = None
        for row in path:
            if row["id"] not in self._sound:
                self._check(row, parent)
            parent = bytes(row["digest"])
        return path

    def _check(self, row: DictRow, parent: bytes | None) -> None:
        if not is_genuine(parent, bytes(row["digest"]), bytes(row["payload"]), row["redaction"]):
            raise TranscriptError(
                f"message {row['id']} is not what was stored: its digest does not match its "
                f"payload and its parent. `{COMMAND} verify` tells more; restore the row from a "
                "backup"
            )
        self._sound.add(row["id"])


async def select_leaves(cur: AsyncCursor[DictRow], thread_id: str) -> tuple[list[DictRow], bool]:
    """A thread's leaves, and whether it has no lists beside them."""
    await cur.execute(SELECT_LEAVES, (thread_id, LEAF_TYPE))
    leaves = await cur.fetchall()
    await cur.execute(SELECT_LISTS, (thread_id, CHANNEL, [LEAF_TYPE, EMPTY_TYPE]))
    row = await cur.fetchone()
    return leaves, row is not None and row["count"] == 0


async def replace_leaves(
    cur: AsyncCursor[DictRow],
    thread_id: str,
    leaves: list[DictRow],
    tree: Tree,
    *,
    dry_run: bool,
) -> int:
    """Put lists in the place of leaves, and tell how many bytes they have."""
    total = size = 0
    lists: list[tuple[str, str, str, str, bytes]] = []
    for place, leaf in enumerate(leaves, 1):
        kind, data = tree.list_of(bytes(leaf["blob"]))
        total, size = total + len(data), size + len(data)
        lists.append((leaf["checkpoint_ns"], leaf["channel"], leaf["version"], kind, data))
        if size >= STEP_BYTES or place == len(leaves):
            if not dry_run:
                await cur.execute(REPLACE_LEAVES, [*map(list, zip(*lists, strict=True)), thread_id])
                await cur.fetchall()
            lists, size = [], 0
    return total


async def replace_versions(cur: AsyncCursor[DictRow], thread_id: str, *, dry_run: bool) -> int:
    """Give versions the plain saver's form, wherever they stand; tell in how many checkpoints."""
    await cur.execute(SELECT_SHORT_BLOBS, (thread_id, SHORT_VERSION))
    short = [row["version"] for row in await cur.fetchall()]
    if short and not dry_run:
        names = (short, [plain_version(version) for version in short], thread_id)
        await cur.execute(DELETE_TWINS, names)
        await cur.execute(RENAME_BLOBS, names)
    count = 0
    after = ("", "")
    while True:
        await cur.execute(SELECT_SHORT_CHECKPOINTS, (thread_id, *after, PAGE))
        page = await cur.fetchall()
        count += len(page)
        if page and not dry_run:
            await cur.execute(
                REPLACE_VERSIONS,
                (
                    [row["checkpoint_ns"] for row in page],
                    [row["checkpoint_id"] for row in page],
                    [Jsonb(_plain_versions(row)) for row in page],
                    thread_id,
                ),
            )
            await cur.fetchall()
        if len(page) < PAGE:
            return count
        after = (page[-1]["checkpoint_ns"], page[-1]["checkpoint_id"])


def _plain_versions(row: DictRow) -> dict[str, Any]:
    """The parts of a checkpoint that name versions."""
    return {
        "channel_versions": _plain(row["versions"]),
        "versions_seen": {node: _plain(seen) for node, seen in row["seen"].items()},
    }


def _plain(versions: dict[str, Any]) -> dict[str, Any]:
    return {
        channel: plain_version(version) if isinstance(version, str) else version
        for channel, version in versions.items()
    }
