"""A step of the root graph, stored by one statement: checkpoint, blobs, messages, writes.

Every function here runs on a connection, inside a transaction, that the caller owns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import AsyncCursor
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from .arrays import Array, bytes_array, int_array, jsonb_array, text_array, uuid_array
from .rows import CHANNEL, LEAF_TYPE, ConversationGoneError
from .transcript import Row, row_id
from .writes import Dumped

# Where there was no conversation, deleting checkpoints could not lock one. Then it collides here.
HOLD_PARENT = """
    UPDATE checkpoints SET metadata = metadata
    WHERE thread_id = %s AND checkpoint_ns = '' AND checkpoint_id = %s
    AND EXISTS (SELECT FROM conversations WHERE id = %s AND leaf_checkpoint_id IS NULL)
"""

# One statement, so one transaction and one round trip. All of it depends on the conversation's
# row: where that is gone, or was redacted without this process knowing of it, nothing is written.
# Nor where the checkpoint before is gone, deleted or pruned while a run built on it: with it went
# the values that this one doesn't write again. (Whoever deletes checkpoints changes the
# conversation's row first or last, and keeps it until they are gone. A row that was waited for, and
# is another version than when the statement began, tells that other tables may be others as well,
# which are seen as they were then.)
# The leaf is taken from what the checkpoint points at: the blob of this version of the channel, if
# there is one from before, else the one written here.
# Another process may have stored a later checkpoint already; then that one's leaf stays. (It is
# noted in the row itself, since a row that was waited for is seen as it is now, and other tables as
# they were when the statement began.)
# The time of change stands in two indexes, and a row whose indexed columns stay is cheap to update:
# it moves when the person speaks, and else once a second at most.
# The microseconds keep the rows of one step in order for whoever sorts by time.
_PUT_STEP = """
    WITH conversation AS (
        UPDATE conversations SET
            updated_at = CASE
                WHEN %(spoken)s OR updated_at < clock_timestamp() - interval '1 second'
                THEN clock_timestamp() ELSE updated_at
            END,
            title = coalesce(title, %(title)s),
            leaf_id = CASE
                WHEN leaf_checkpoint_id > %(checkpoint_id)s THEN leaf_id
                ELSE coalesce(
                    (
                        SELECT m.id FROM checkpoint_blobs b
                        JOIN messages m
                            ON m.conversation_id = conversations.id AND m.digest = b.blob
                        WHERE b.thread_id = %(thread_id)s AND b.checkpoint_ns = ''
                        AND b.channel = %(channel)s AND b.version = %(version)s
                        AND b.type = %(leaf_type)s
                    ),
                    %(leaf)s
                )
            END,
            leaf_checkpoint_id = greatest(leaf_checkpoint_id, %(checkpoint_id)s)
        WHERE id = %(conversation_id)s
        AND timestamptz_send(redacted_at) IS NOT DISTINCT FROM %(redacted_at)s
        AND (
            %(whole)s OR %(parent_checkpoint_id)s::text IS NULL OR (
                xmin = (SELECT xmin FROM conversations WHERE id = %(conversation_id)s)
                AND EXISTS (
                    SELECT 1 FROM checkpoints WHERE thread_id = %(thread_id)s
                    AND checkpoint_ns = '' AND checkpoint_id = %(parent_checkpoint_id)s
                )
            )
        )
        RETURNING id, user_id
    ), message_rows AS (
        INSERT INTO messages (id, conversation_id, user_id, parent_id, digest, role, content,
                              tool_calls, payload_type, payload, created_at)
        SELECT row.id, conversation.id, conversation.user_id, row.parent_id, row.digest, row.role,
               row.content, row.tool_calls, row.payload_type, row.payload,
               clock_timestamp() + row.position * interval '1 microsecond'
        FROM conversation, unnest(
            %(ids)s::uuid[], %(parent_ids)s::uuid[], %(digests)s::bytea[], %(roles)s::text[],
            %(contents)s::text[], %(tool_calls)s::jsonb[], %(payload_types)s::text[],
            %(payloads)s::bytea[]
        ) WITH ORDINALITY AS row(id, parent_id, digest, role, content, tool_calls, payload_type,
                                 payload, position)
        {keep_messages}
    ), blobs AS (
        INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
        SELECT %(thread_id)s, '', row.channel, row.version, row.type, row.blob
        FROM conversation, unnest(
            %(blob_channels)s::text[], %(blob_versions)s::text[], %(blob_types)s::text[],
            %(blobs)s::bytea[]
        ) AS row(channel, version, type, blob)
        {keep_blobs}
    ), checkpoint AS (
        INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id,
                                 checkpoint, metadata)
        SELECT %(thread_id)s, '', %(checkpoint_id)s, %(parent_checkpoint_id)s, %(checkpoint)s,
               %(metadata)s
        FROM conversation
        {replace_checkpoint}
    ){writes}
    SELECT id FROM conversation
"""
# What tasks wrote to the checkpoint before.
_WRITES = """, writes AS (
        INSERT INTO checkpoint_writes (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path,
                                       idx, channel, type, blob)
        SELECT %(thread_id)s, '', %(parent_checkpoint_id)s, row.*
        FROM conversation, unnest(
            %(write_tasks)s::text[], %(write_paths)s::text[], %(write_positions)s::int[],
            %(write_channels)s::text[], %(write_types)s::text[], %(write_blobs)s::bytea[]
        ) AS row(task_id, task_path, idx, channel, type, blob)
    )
"""
# Nearly always all of it is new. To find out row by row costs a record in the write-ahead log for
# each, so it is found out at the first row that isn't, and then everything is sent again.
_NEW = {"keep_messages": "", "keep_blobs": "", "replace_checkpoint": ""}
_PUT_NEW_STEP = _PUT_STEP.format(**_NEW, writes="")
_PUT_NEW_STEP_AND_WRITES = _PUT_STEP.format(**_NEW, writes=_WRITES)
_PUT_ANY_STEP = _PUT_STEP.format(
    keep_messages="ON CONFLICT (conversation_id, digest) DO NOTHING",
    keep_blobs="ON CONFLICT (thread_id, checkpoint_ns, channel, version) DO NOTHING",
    replace_checkpoint="""ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id)
        DO UPDATE SET checkpoint = EXCLUDED.checkpoint, metadata = EXCLUDED.metadata""",
    writes="",
)


@dataclass(frozen=True, slots=True)
class Step:
    """What a step writes beside its messages."""

    thread_id: str
    checkpoint_id: str
    parent_checkpoint_id: str | None
    checkpoint: dict[str, Any]
    metadata: Mapping[str, Any]
    #: Channel, version, type and bytes of each value that is stored apart.
    blobs: Sequence[tuple[str, str, str, bytes | None]]
    #: Version of the messages channel, whether this step changed it or not.
    version: str | None = None
    #: Last message of the transcript, where this step wrote the channel.
    leaf: bytes | None = None
    #: For a conversation that has no title yet.
    title: str | None = None
    #: Whether `blobs` has every value, so that nothing is needed of the checkpoint before.
    whole: bool = False
    #: When the process that writes believes the conversation to have been redacted last, in
    #: Postgres's binary form.
    redacted_at: bytes | None = None


async def put_step(
    cur: AsyncCursor[DictRow],
    conversation_id: UUID,
    step: Step,
    rows: Sequence[Row],
) -> None:
    """Write a checkpoint, its blobs and its messages, parents before children, or nothing.

    A message that is there already is left as it is.

    Raises:
        ConversationGoneError: there is no such conversation any more, or no such checkpoint as
            the step follows, or a message has been redacted of which this process doesn't know;
            or something was done to the conversation while it was waited for, and nobody can tell.
    """
    await _put_step(cur, _PUT_ANY_STEP, conversation_id, step, rows)


async def put_new_step(
    cur: AsyncCursor[DictRow],
    conversation_id: UUID,
    step: Step,
    rows: Sequence[Row],
    writes: Dumped = (),
) -> None:
    """The same more cheaply, for a step of which nothing is there already.

    Args:
        writes: what tasks wrote to the checkpoint before, which is stored with it.

    Raises:
        ConversationGoneError: as `put_step` does.
        UniqueViolation: a part of the step is there already, or a write is.
    """
    if not writes:
        await _put_step(cur, _PUT_NEW_STEP, conversation_id, step, rows)
        return
    columns = {
        "write_tasks": text_array(row[3] for row in writes),
        "write_paths": text_array(row[4] for row in writes),
        "write_positions": int_array(row[5] for row in writes),
        "write_channels": text_array(row[6] for row in writes),
        "write_types": text_array(row[7] for row in writes),
        "write_blobs": bytes_array(row[8] for row in writes),
    }
    await _put_step(cur, _PUT_NEW_STEP_AND_WRITES, conversation_id, step, rows, **columns)


async def _put_step(
    cur: AsyncCursor[DictRow],
    statement: str,
    conversation_id: UUID,
    step: Step,
    rows: Sequence[Row],
    **more: Array,
) -> None:
    def key(digest: bytes | None) -> UUID | None:
        return None if digest is None else row_id(conversation_id, digest)

    await cur.execute(
        statement,
        {
            "conversation_id": conversation_id,
            "thread_id": step.thread_id,
            "title": step.title,
            "spoken": any(row.role == "user" for row in rows),
            "channel": CHANNEL,
            "version": step.version,
            "leaf_type": LEAF_TYPE,
            "leaf": key(step.leaf),
            "ids": uuid_array(key(row.digest) for row in rows),
            "parent_ids": uuid_array(key(row.parent) for row in rows),
            "digests": bytes_array(row.digest for row in rows),
            "roles": text_array(row.role for row in rows),
            "contents": text_array(row.content for row in rows),
            "tool_calls": jsonb_array(row.tool_calls for row in rows),
            "payload_types": text_array(row.payload_type for row in rows),
            "payloads": bytes_array(row.payload for row in rows),
            "whole": step.whole,
            **checkpoint_columns(step),
            **more,
        },
    )
    if await cur.fetchone() is None:
        raise ConversationGoneError(
            f"conversation {conversation_id}, or the checkpoint that a step of it follows, was "
            "deleted or redacted while it was written to"
        )


async def hold_parent(cur: AsyncCursor[DictRow], conversation_id: UUID, step: Step) -> None:
    """Keep the checkpoint that a step follows, if it is the first of a conversation."""
    if step.parent_checkpoint_id is not None:
        place = (step.thread_id, step.parent_checkpoint_id, conversation_id)
        await cur.execute(HOLD_PARENT, place)


def checkpoint_columns(step: Step) -> dict[str, Any]:
    """What the statements that store a checkpoint and its blobs call its parts."""
    return {
        "thread_id": step.thread_id,
        "redacted_at": step.redacted_at,
        "blob_channels": text_array(channel for channel, _, _, _ in step.blobs),
        "blob_versions": text_array(version for _, version, _, _ in step.blobs),
        "blob_types": text_array(kind for _, _, kind, _ in step.blobs),
        "blobs": bytes_array(blob for _, _, _, blob in step.blobs),
        "checkpoint_id": step.checkpoint_id,
        "parent_checkpoint_id": step.parent_checkpoint_id,
        "checkpoint": Jsonb(step.checkpoint),
        "metadata": Jsonb(step.metadata),
    }
