"""What the API shows of a thread, compared with its rows in Postgres."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import psycopg
from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph_sdk.client import LangGraphClient
from psycopg.rows import dict_row

from storage.transcript import ROLES, storable
from tests.storage.support import ACTIVE_BRANCH

#: Seconds in which a run has to get where a test waits for it.
PATIENCE = 60

Messages = list[dict[str, Any]]

POINTED = """
    SELECT c.checkpoint_id, b.type, b.blob FROM checkpoints c
    LEFT JOIN checkpoint_blobs b ON b.thread_id = c.thread_id AND b.checkpoint_ns = ''
        AND b.channel = 'messages'
        AND b.version = c.checkpoint -> 'channel_versions' ->> 'messages'
    WHERE c.thread_id = %s AND c.checkpoint_ns = '' ORDER BY c.checkpoint_id DESC
"""

# What a `Command` updates is written to the checkpoint that it meets, and shown with it.
NULL_TASK = "00000000-0000-0000-0000-000000000000"
COMMANDED = "SELECT checkpoint_id FROM checkpoint_writes WHERE thread_id = %s AND task_id = %s"

UNUSED_BLOBS = """
    SELECT b.* FROM checkpoint_blobs b WHERE b.thread_id = %s AND NOT EXISTS (
        SELECT 1 FROM checkpoints c
        WHERE c.thread_id = b.thread_id AND c.checkpoint_ns = b.checkpoint_ns
        AND c.checkpoint -> 'channel_versions' ->> b.channel = b.version
    )
"""
UNUSED_WRITES = """
    SELECT w.* FROM checkpoint_writes w WHERE w.thread_id = %s AND NOT EXISTS (
        SELECT 1 FROM checkpoints c
        WHERE c.thread_id = w.thread_id AND c.checkpoint_ns = w.checkpoint_ns
        AND c.checkpoint_id = w.checkpoint_id
    )
"""


class Rows:
    """The database that a server runs on, looked at from outside."""

    def __init__(self, database_url: str) -> None:
        self.url = database_url
        self._serde = JsonPlusSerializer(allowed_msgpack_modules=None)

    def select(self, query: Any, *args: Any) -> list[dict[str, Any]]:
        """The rows that a query finds."""
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return connection.execute(query, args).fetchall()

    def conversation(self, thread_id: str) -> dict[str, Any]:
        """The conversation of a thread."""
        (row,) = self.select("SELECT * FROM conversations WHERE thread_id = %s", thread_id)
        return row

    def of_thread(self, thread_id: str) -> dict[str, int]:
        """How many rows each table has of a thread."""
        counts = {
            table: self.select(f"SELECT count(*) FROM {table} WHERE thread_id = %s", thread_id)[0][
                "count"
            ]
            for table in ("conversations", "checkpoints", "checkpoint_blobs", "checkpoint_writes")
        }
        return {table: number for table, number in counts.items() if number}

    def said(self, thread_id: str) -> list[str]:
        """The active branch, as text."""
        return [row["content"] for row in self.select(ACTIVE_BRANCH, thread_id)]

    async def are_the_state(self, client: LangGraphClient, thread_id: str) -> Messages:
        """Assert that rows and checkpoints show what the API shows; and the messages it shows.

        Compared at every checkpoint: a message of the API with the one that its row restores. At
        the latest: the conversation's leaf, and what the row says to people.
        """
        # Of a step that isn't complete, the API adds to the latest state what its finished tasks
        # have written. History shows each checkpoint as it is.
        state = await client.threads.get_state(thread_id)
        history = await client.threads.get_history(thread_id, limit=100)
        shown = {
            entry["checkpoint"]["checkpoint_id"]: messages_of(entry["values"]) for entry in history
        }
        pointed = self.select(POINTED, thread_id)
        assert [row["checkpoint_id"] for row in pointed] == list(shown)
        tree = {
            bytes(row["digest"]): row
            for row in self.select(
                "SELECT m.*, parent.digest AS parent FROM messages m"
                " LEFT JOIN messages parent ON parent.id = m.parent_id"
                " JOIN conversations c ON c.id = m.conversation_id WHERE c.thread_id = %s",
                thread_id,
            )
        }
        commanded = {row["checkpoint_id"] for row in self.select(COMMANDED, thread_id, NULL_TASK)}
        for row in pointed:
            path: list[dict[str, Any]] = []
            # A list without messages is stored as any other value.
            if row["type"] == "transcript":
                digest = bytes(row["blob"])
                while digest:
                    path.insert(0, tree[digest])
                    digest = bytes(path[0]["parent"] or b"")
            messages = [self._as_json(message) for message in path]
            if row["checkpoint_id"] in commanded:
                assert shown[row["checkpoint_id"]][: len(messages)] == messages
            else:
                assert shown[row["checkpoint_id"]] == messages
        conversation = self.conversation(thread_id)
        latest = pointed[0] if pointed else {"checkpoint_id": None, "type": None}
        branch = self.select(ACTIVE_BRANCH, thread_id)
        assert conversation["leaf_checkpoint_id"] == latest["checkpoint_id"]
        assert [row["digest"] for row in branch[-1:]] == (
            [latest["blob"]] if latest["type"] == "transcript" else []
        )
        messages = [self._as_json(row) for row in branch]
        if not any(task.get("result") for task in state["tasks"]):
            assert messages_of(state["values"]) == messages
        assert [(row["role"], row["content"]) for row in branch] == [
            (ROLES[message["type"]], storable(text_of(message))) for message in messages
        ]
        # It moves once a second at most while the agent works.
        last_written = max([row["created_at"] for row in tree.values()], default=None)
        assert conversation["updated_at"] >= conversation["created_at"]
        if last_written is not None:
            assert conversation["updated_at"] > last_written - timedelta(seconds=2)
        assert self.select(UNUSED_BLOBS, thread_id) == []
        assert self.select(UNUSED_WRITES, thread_id) == []
        return messages

    def _as_json(self, row: dict[str, Any]) -> dict[str, Any]:
        message = self._serde.loads_typed((row["payload_type"], row["payload"]))
        assert isinstance(message, BaseMessage)
        shown: dict[str, Any] = json.loads(message.model_dump_json())
        return shown


def messages_of(values: Any) -> Messages:
    """The messages of a state that the API showed; a thread without checkpoints has none."""
    messages: Messages = (values or {}).get("messages", [])
    return messages


def text_of(message: dict[str, Any]) -> str:
    """The text of a message of the API, whose content may be a list of blocks."""
    content = message["content"]
    if isinstance(content, str):
        return content
    return "".join(block["text"] for block in content if block["type"] == "text")


async def until(condition: Callable[[], Awaitable[bool] | bool]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        met = condition()
        if met is True or (not isinstance(met, bool) and await met):
            return
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.05)


async def together(*scenarios: Awaitable[None]) -> None:
    """Run scenarios at the same time, for the server's queue lets each one wait, and tell of all
    that fail."""
    results = await asyncio.gather(*scenarios, return_exceptions=True)
    if failures := [result for result in results if isinstance(result, Exception)]:
        raise ExceptionGroup(f"{len(failures)} of {len(results)} scenarios failed", failures)
