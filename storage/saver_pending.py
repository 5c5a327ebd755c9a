"""How the checkpointer keeps what tasks wrote before their step is complete."""

from collections.abc import Sequence
from typing import Any

import psycopg
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import WRITES_IDX_MAP
from psycopg.rows import DictRow

from .offered_writes import OfferedWrites
from .putting import refuse_unreadable
from .redactions import Redactions, select_redactions
from .refusing import told
from .saver_reading import Reading, thread_of
from .writes import INSERT, INSERT_NEW, INSERT_OR_REPLACE, put_writes


class PendingWrites(Reading):
    """The part of `TranscriptSaver` that stores pending writes."""

    _offered: OfferedWrites

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store what a task wrote before its step is complete."""
        if await self._put_writes(config, writes, task_id, task_path) or not writes:
            return
        # They are there already, or the conversation was deleted or redacted. For a checkpoint that
        # is deleted there is nothing to store.
        if await self._catch_up(thread_of(config)):
            await self._put_writes(config, writes, task_id, task_path)

    async def _put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str,
    ) -> bool:
        """Store them; whether any was new to a conversation that is as this process knows it."""
        configurable = config["configurable"]
        if configurable["checkpoint_ns"] == "":
            refuse_unreadable(self.serde, writes)
        thread_id = thread_of(config)
        conversation = self._cache.thread(thread_id).conversation or (None, None)
        dumped = self._dump_writes(
            thread_id,
            configurable["checkpoint_ns"],
            configurable["checkpoint_id"],
            task_id,
            task_path,
            writes,
        )
        checkpoint_id = configurable["checkpoint_id"]
        if configurable["checkpoint_ns"] == "" and await self._offered.were_stored(
            thread_id, checkpoint_id, dumped, conversation
        ):
            return True
        special = all(channel in WRITES_IDX_MAP for channel, _ in writes)

        async def store() -> bool:
            async with self._connections.cursor() as cur:
                try:
                    return await put_writes(cur, INSERT, dumped, *conversation)
                except psycopg.errors.UniqueViolation:
                    query = INSERT_OR_REPLACE if special else INSERT_NEW
                    return await put_writes(cur, query, dumped, *conversation)

        return await self._connections.retried(store)

    def _dump_writes(
        self,
        thread_id: str,
        checkpoint_ns: str,
        checkpoint_id: str,
        task_id: str,
        task_path: str,
        writes: Sequence[tuple[str, Any]],
    ) -> list[tuple[str, str, str, str, str, int, str, str, bytes]]:
        with told(f"what a task of thread {thread_id!r} wrote", dict(writes), self.serde):
            dumped = super()._dump_writes(
                thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, writes
            )
        return self._blank(thread_id, dumped)

    def _blank(self, thread_id: str, dumped: list[Any]) -> list[Any]:
        """Values about to be stored, of which the last two items are form and bytes."""
        if (redactions := self._cache.redactions(thread_id)) is None:
            return dumped
        return [
            (*place, kind, None if blob is None else redactions.blank(kind, blob, self.serde))
            for *place, kind, blob in dumped
        ]

    async def _catch_up(self, thread_id: str, *, whatever: bool = False) -> bool:
        """Take in what somebody else has redacted or deleted; whether there is a conversation.

        That one was deleted is remembered: whoever goes on writing to it has to notice.

        Args:
            whatever: forget the thread's messages also if it seems to be as it was.
        """

        async def read() -> list[DictRow]:
            async with self._connections.cursor() as cur:
                return await select_redactions(cur, thread_id)

        rows = await self._connections.retried(read)
        known = self._cache.thread(thread_id).conversation
        found = (rows[0]["id"], rows[0]["redacted_at"]) if rows else None
        if whatever or known not in (found, None):
            self._cache.forget(thread_id)
        cached = self._cache.thread(thread_id)
        cached.conversation = found or known
        cached.redactions = Redactions.of(rows, self.serde) if found and found[1] else None
        return bool(rows)
