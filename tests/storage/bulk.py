"""Conversations of any length, written at once, as the checkpointer would have left them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg.types.json import Jsonb

from storage.database import Database
from storage.transcript import row_id, row_of

#: When the first message of each was written.
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)

COPY_MESSAGES = """
    COPY messages (id, conversation_id, user_id, parent_id, digest, role, content, tool_calls,
                   payload_type, payload, created_at) FROM STDIN
"""


def turns(number: int) -> Iterator[BaseMessage]:
    """So many turns of four messages."""
    for turn in range(number):
        call = {"name": "count", "args": {"turn": turn}, "id": f"call-{turn}"}
        yield HumanMessage(f"What is the number of turn {turn}?", id=f"human-{turn}")
        yield AIMessage("", tool_calls=[call], id=f"ask-{turn}")
        yield ToolMessage(str(turn), tool_call_id=call["id"], id=f"tool-{turn}")
        yield AIMessage(f"It is turn number {turn}, as far as I can count.", id=f"say-{turn}")


async def write_conversation(database: Database, thread_id: str, number: int) -> None:
    """A thread of `number` turns, in which one checkpoint is left."""
    serde = JsonPlusSerializer()
    conversation, user = uuid4(), uuid4()
    checkpoint = empty_checkpoint()
    checkpoint["id"] = str(uuid6())
    checkpoint["channel_versions"] = {"messages": "1"}
    async with database.pool.connection() as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO users (id, subject) VALUES (%s, %s)", (user, thread_id)
        )
        await connection.execute(
            "INSERT INTO conversations (id, user_id, thread_id, title) VALUES (%s, %s, %s, %s)",
            (conversation, user, thread_id, "What is the number of turn 0?"),
        )
        parent: bytes | None = None
        parent_id: UUID | None = None
        recent: list[BaseMessage] = []
        cursor = connection.cursor()
        async with cursor.copy(COPY_MESSAGES) as copy:
            for place, message in enumerate(turns(number)):
                recent = [*recent[-1:], message]
                payload_type, payload = serde.dumps_typed(message)
                row = row_of(
                    recent,
                    len(recent) - 1,
                    parent=parent,
                    payload_type=payload_type,
                    payload=payload,
                    now=LONG_AGO,
                )
                parent, id_ = row.digest, row_id(conversation, row.digest)
                await copy.write_row(
                    (
                        id_,
                        conversation,
                        user,
                        parent_id,
                        row.digest,
                        row.role,
                        row.content,
                        None if row.tool_calls is None else Jsonb(row.tool_calls),
                        row.payload_type,
                        row.payload,
                        LONG_AGO + timedelta(seconds=place),
                    )
                )
                parent_id = id_
        await connection.execute(
            "INSERT INTO checkpoint_blobs VALUES (%s, '', 'messages', '1', 'transcript', %s)",
            (thread_id, parent),
        )
        await connection.execute(
            "INSERT INTO checkpoints VALUES (%s, '', %s, NULL, NULL, %s, '{}')",
            (thread_id, checkpoint["id"], Jsonb(checkpoint)),
        )
        await connection.execute(
            "UPDATE conversations SET leaf_id = %s, leaf_checkpoint_id = %s WHERE id = %s",
            (parent_id, checkpoint["id"], conversation),
        )
