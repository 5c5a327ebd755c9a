"""Blanking a message in what LangGraph stores beside the rows: checkpoints, values, writes.

Only what may hold the message is read and opened: the database looks for the message's ids and
texts in the bytes first. Encrypted values show nothing to it, so each of them is opened.
"""

import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

from langgraph.checkpoint.serde.base import SerializerProtocol
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from .blanking import SHORT, Forgotten, id_of, message_fields
from .stored_values import HOLLOW, Form, UnopenableValueError, changed
from .transcript import storable

#: Values that are in memory at a time; each may be a list of all messages of a thread.
BATCH = 20

_MAY_HOLD = """
    blob IS NOT NULL AND type <> ALL(%(hollow)s) AND (
        type <> 'msgpack' OR EXISTS (
            SELECT FROM unnest(%(needles)s::bytea[]) AS needle WHERE position(needle IN blob) > 0
        )
    )
"""
_VALUES = """
    SELECT thread_id, checkpoint_ns, channel, version, type, blob FROM checkpoint_blobs
    WHERE thread_id = ANY(%(threads)s) AND {may_hold} FOR UPDATE
"""
SELECT_VALUES = _VALUES.format(may_hold=_MAY_HOLD)
UPDATE_VALUE = """
    UPDATE checkpoint_blobs SET blob = %(new)s
    WHERE thread_id = %(thread_id)s AND checkpoint_ns = %(checkpoint_ns)s
    AND channel = %(channel)s AND version = %(version)s
"""
_WRITES = """
    SELECT thread_id, checkpoint_ns, checkpoint_id, task_id, idx, type, blob FROM checkpoint_writes
    WHERE thread_id = ANY(%(threads)s) AND {may_hold} FOR UPDATE
"""
SELECT_WRITES = _WRITES.format(may_hold=_MAY_HOLD)
UPDATE_WRITE = """
    UPDATE checkpoint_writes SET blob = %(new)s
    WHERE thread_id = %(thread_id)s AND checkpoint_ns = %(checkpoint_ns)s
    AND checkpoint_id = %(checkpoint_id)s AND task_id = %(task_id)s AND idx = %(idx)s
"""
# Texts and numbers stand in the checkpoint itself, and older versions of LangGraph put what was
# written into the metadata, as JSON.
SELECT_CHECKPOINTS = """
    SELECT thread_id, checkpoint_ns, checkpoint_id,
           checkpoint -> 'channel_values' AS channel_values,
           checkpoint -> 'pending_sends' AS pending_sends, metadata
    FROM checkpoints
    WHERE thread_id = ANY(%(threads)s) AND EXISTS (
        SELECT FROM unnest(%(words)s::text[]) AS words
        WHERE strpos(checkpoint::text, words) > 0 OR strpos(metadata::text, words) > 0
    ) FOR UPDATE
"""
UPDATE_CHECKPOINT = """
    UPDATE checkpoints SET
        checkpoint = checkpoint || %(changes)s, metadata = metadata || %(metadata)s
    WHERE thread_id = %(thread_id)s AND checkpoint_ns = %(checkpoint_ns)s
    AND checkpoint_id = %(checkpoint_id)s
"""
_FIND = """
    SELECT thread_id, type, blob FROM {table}
    WHERE thread_id = coalesce(%(thread_id)s, thread_id) AND {may_hold}
"""


async def blank_values(
    connection: AsyncConnection[Any],
    serde: SerializerProtocol,
    threads: Sequence[str],
    forgotten: Forgotten,
) -> Counter[str]:
    """Blank the messages wherever they lie in these threads; how many places of each kind did.

    Raises:
        UnopenableValueError: a value may hold one but can't be looked into.
    """
    blanked: Counter[str] = Counter()
    needles = [needle.encode(errors="replace") for needle in forgotten.needles()]
    names = {"threads": list(threads), "needles": needles, "hollow": list(HOLLOW)}
    for place, select, update in (
        ("values of channels", SELECT_VALUES, UPDATE_VALUE),
        ("pending writes", SELECT_WRITES, UPDATE_WRITE),
    ):
        async for row in _stream(connection, select, names):
            new = _blanked(row, serde, forgotten)
            if new is not None:
                await connection.execute(update, {**row, "new": new})
                blanked[place] += 1
    names["words"] = [_in_json(needle) for needle in forgotten.needles()]
    async for row in _stream(connection, SELECT_CHECKPOINTS, names):
        old = {name: row[name] for name in ("channel_values", "pending_sends") if row[name]}
        changes = {name: new for name in old if (new := forgotten.blank(old[name])) != old[name]}
        metadata = forgotten.blank(row["metadata"])
        if changes or metadata != row["metadata"]:
            new_json = {"changes": Jsonb(changes), "metadata": Jsonb(metadata)}
            await connection.execute(UPDATE_CHECKPOINT, {**row, **new_json})
            blanked["checkpoints"] += 1
    return blanked


async def find_in_values(
    connection: AsyncConnection[Any],
    serde: SerializerProtocol,
    message_id: str,
    thread_id: str | None,
) -> dict[str, list[dict[Any, Any]]]:
    """The messages with that id in values of channels and pending writes, by thread."""
    found: dict[str, list[dict[Any, Any]]] = defaultdict(list)
    names = {
        "thread_id": thread_id,
        "needles": [message_id.encode(errors="replace")],
        "hollow": list(HOLLOW),
    }
    for table in ("checkpoint_blobs", "checkpoint_writes"):
        async for row in _stream(connection, _FIND.format(table=table, may_hold=_MAY_HOLD), names):
            try:
                value = Form(row["type"], serde).open(bytes(row["blob"]))
            except UnopenableValueError:
                # It may be of any thread, and of most it is nobody's business here.
                continue
            messages = found[row["thread_id"]]
            messages += [
                fields for fields in messages_in(value, message_id) if fields not in messages
            ]
    return {thread: messages for thread, messages in found.items() if messages}


def messages_in(value: Any, message_id: str) -> list[dict[Any, Any]]:
    """The messages with that id that an opened value holds at any depth."""
    found = []

    def look(item: Any) -> Any:
        if (fields := message_fields(item)) is None:
            return changed(item, look)
        if id_of(fields) == message_id:
            found.append(fields)
        return item

    look(value)
    return found


def _blanked(row: DictRow, serde: SerializerProtocol, forgotten: Forgotten) -> bytes | None:
    blob, form = bytes(row["blob"]), Form(row["type"], serde)
    if form.is_hollow:
        return None
    try:
        value = form.open(blob)
    except UnopenableValueError:
        # The bytes show whether it holds the message at all; a short text is there by chance.
        content = form.decrypted(blob)
        needles = [needle.encode() for needle in forgotten.needles() if len(needle) > SHORT]
        if not any(needle in content for needle in needles):
            return None
        raise
    new = forgotten.blank(value)
    return None if new is value else form.close(new)


async def _stream(
    connection: AsyncConnection[Any], query: str, names: dict[str, Any]
) -> AsyncIterator[DictRow]:
    """The rows that a query finds, a few at a time."""
    async with connection.cursor(
        f"redact_{uuid4().hex}", binary=True, row_factory=dict_row
    ) as cursor:
        cursor.itersize = BATCH
        await cursor.execute(query, names)
        async for row in cursor:
            yield row


def _in_json(text: str) -> str:
    """`text` as it stands in Postgres's text of a `jsonb`."""
    return json.dumps(storable(text), ensure_ascii=False)[1:-1]
