"""How the checkpointer reads: checkpoints, and the transcripts that they point at."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    Checkpoint,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_id,
)
from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import DictRow, dict_row

from .advice import COMMAND
from .cached_thread import CachedThread
from .connections import Connections
from .garbage import no_collection
from .message_cache import MessageCache
from .reading import (
    StoredRow,
    TranscriptError,
    UnreadableCheckpointError,
    keep_rows,
    refuse_damaged,
)
from .redactions import Redactions, select_redactions
from .refusing import storable_name
from .rows import CHANNEL
from .selecting import (
    OF_VERSION,
    SELECT_CHECKPOINTS,
    InRows,
    leaf_of,
    select_checkpoint_and_messages,
    select_messages,
    set_rows_aside,
    without_leaf,
)
from .sync_methods import SyncMethods
from .transcript import storable_json

#: Bytes of pending writes that are not decoded on the event loop any more.
LARGE = 100_000


class Reading(SyncMethods):
    """The reading half of `TranscriptSaver`."""

    _cache: MessageCache
    _connections: Connections

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that `config` names, or the latest of its thread and namespace."""
        where, args = (
            "WHERE thread_id = %s AND checkpoint_ns = %s ",
            [
                thread_of(config),
                config["configurable"].get("checkpoint_ns", ""),
            ],
        )
        if checkpoint_id := get_checkpoint_id(config):
            where += "AND checkpoint_id = %s"
            args.append(checkpoint_id)
        else:
            where += "ORDER BY checkpoint_id DESC LIMIT 1"
        found = await self._select(where, args, thread_id=args[0] if args[1] == "" else None)
        if not found and checkpoint_id is None and args[1] == "":
            # Whatever this process remembers of the thread, it begins anew.
            self._cache.forget(args[0])
        return found[0] if found else None

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Checkpoints, newest first. Those of one call share their message objects."""
        if config:
            thread_of(config)
        if before and "configurable" not in before:
            # The server passes on what its clients may say: a checkpoint, in place of its config.
            before = {"configurable": {**before}}
        where, args = self._search_where(config, storable_json(filter), before)
        where += " ORDER BY checkpoint_id DESC"
        if limit is not None:
            where += " LIMIT %s"
            args.append(int(limit))
        for found in await self._select(where, args):
            yield found

    async def _select(
        self, where: str, args: Sequence[Any], *, thread_id: str | None = None
    ) -> list[CheckpointTuple]:
        """Checkpoints with their transcripts, the connection given back before anyone uses them.

        Args:
            thread_id: whose transcript is wanted, if it is known beforehand.
        """
        select = partial(self._select_once, where, args, thread_id)
        try:
            return await self._connections.retried(select)
        except TranscriptError:
            # The thread may have been deleted between the reading of the two. Then it is gone now;
            # what is damaged is damaged still.
            return await self._connections.retried(select)

    async def _select_once(
        self, where: str, args: Sequence[Any], thread_id: str | None
    ) -> list[CheckpointTuple]:
        async with self._cursor() as cur:
            rows: list[StoredRow] = []
            try:
                if thread_id is None or thread_id in self._cache:
                    await cur.execute(SELECT_CHECKPOINTS + where, args, binary=True)
                    values = await cur.fetchall()
                else:
                    values, rows = await select_checkpoint_and_messages(cur, where, args, thread_id)
            except psycopg.errors.InvalidParameterValue as error:
                raise UnreadableCheckpointError(
                    f"a checkpoint is not what was stored: its channels have no versions ({error})."
                    f" `{COMMAND} verify` names it; restore the row of `checkpoints` from a backup."
                ) from error
            refuse_damaged(values)
            await self._migrate_sends(cur, values)
            transcripts = await self._transcripts(cur.connection, values, rows)
        return [await self._load_with(value, transcripts) for value in values]

    async def _transcripts(
        self,
        connection: AsyncConnection[Any],
        values: list[DictRow],
        rows: list[StoredRow],
    ) -> dict[tuple[str, bytes], list[BaseMessage]]:
        """The transcripts that these checkpoints point at, by thread and leaf.

        Args:
            rows: all messages of the thread, if they were read already; emptied here.
        """
        leaves: dict[str, set[bytes]] = defaultdict(set)
        for value in values:
            if (leaf := leaf_of(value)) is not None:
                leaves[value["thread_id"]].add(leaf)
            elif value["thread_id"] in self._cache:
                # Its conversation may be another now, or none.
                leaves.setdefault(value["thread_id"], set())
        found: dict[tuple[str, bytes], list[BaseMessage]] = {}
        for thread_id, wanted in leaves.items():
            value = next(value for value in values if value["thread_id"] == thread_id)
            cached = await self._meet(connection, value)
            missing = [leaf for leaf in wanted if cached.path(leaf) is None]
            if missing and not rows:
                rows = await select_messages(connection, thread_id)
            with no_collection():
                keep_rows(thread_id, cached, self.serde, missing, rows)
                # What is let go of here is not looked through for garbage afterwards.
                rows.clear()
                read = cached.hand_out(wanted)
            self._cache.trim(thread_id)
            found |= {(thread_id, leaf): messages for leaf, messages in read.items()}
        return found

    async def _meet(self, connection: AsyncConnection[Any], value: DictRow) -> CachedThread:
        """What is cached of a checkpoint's thread, and of the conversation that is there now."""
        thread_id = value["thread_id"]
        id_, redacted_at = value["conversation"] or (None, None)
        conversation = None if id_ is None else (UUID(bytes=bytes(id_)), redacted_at)
        cached = self._cache.thread(thread_id)
        if cached.conversation != conversation:
            redactions = None
            if redacted_at is not None:
                async with connection.cursor(binary=True, row_factory=dict_row) as cur:
                    redactions = Redactions.of(await select_redactions(cur, thread_id), self.serde)
            if cached.conversation is not None:
                self._cache.forget(thread_id)
            cached = self._cache.thread(thread_id)
            cached.conversation, cached.redactions = conversation, redactions
        return cached

    async def _load_with(
        self, value: DictRow, transcripts: dict[tuple[str, bytes], list[BaseMessage]]
    ) -> CheckpointTuple:
        leaf = leaf_of(value)
        if leaf is not None:
            value["channel_values"] = without_leaf(value["channel_values"])
        try:
            checkpoint = await self._load_checkpoint_tuple(value)
        except (ValueError, TypeError, NotImplementedError) as error:
            raise UnreadableCheckpointError(
                f"checkpoint {value['checkpoint_id']} of thread {value['thread_id']!r} can't be "
                f"read; of a value or a pending write the serialiser says: {error}. Restore the "
                "thread's rows of checkpoint_blobs and checkpoint_writes from a backup."
            ) from error
        if leaf is None:
            return checkpoint
        version = checkpoint.checkpoint["channel_versions"][CHANNEL]
        self._cache.thread(value["thread_id"]).leaf = (str(version), leaf)
        messages = transcripts[value["thread_id"], leaf]
        checkpoint.checkpoint["channel_values"][CHANNEL] = list(messages)
        return checkpoint

    async def _load_checkpoint_tuple(self, value: DictRow) -> CheckpointTuple:
        """A checkpoint as it was put. The plain saver goes to a thread for the pending writes of
        each, which takes longer than reading the few that there usually are."""
        writes = value["pending_writes"] or []
        if sum(len(blob) for _, _, _, blob, _, _ in writes) > LARGE:
            return await super()._load_checkpoint_tuple(value)
        place = {"thread_id": value["thread_id"], "checkpoint_ns": value["checkpoint_ns"]}
        parent = value["parent_checkpoint_id"]
        stored: Checkpoint = value["checkpoint"]
        return CheckpointTuple(
            config={"configurable": {**place, "checkpoint_id": value["checkpoint_id"]}},
            checkpoint={
                **stored,
                "channel_values": {
                    **(stored.get("channel_values") or {}),
                    **self._load_blobs(value["channel_values"]),
                },
            },
            metadata=value["metadata"],
            parent_config={"configurable": {**place, "checkpoint_id": parent}} if parent else None,
            pending_writes=self._load_writes(writes),
        )

    async def _migrate_sends(self, cur: AsyncCursor[DictRow], values: list[DictRow]) -> None:
        """Checkpoints older than version 4 keep their pending sends with their parent."""
        old: dict[tuple[str, str], list[DictRow]] = defaultdict(list)
        for value in values:
            if value["checkpoint"]["v"] < 4 and value["parent_checkpoint_id"]:
                old[value["thread_id"], value["parent_checkpoint_id"]].append(value)
        for (thread_id, parent), children in old.items():
            await cur.execute(self.SELECT_PENDING_SENDS_SQL, (thread_id, [parent]))
            async for sends in cur:
                for value in children:
                    value["channel_values"] = value["channel_values"] or []
                    self._migrate_pending_sends(
                        sends["sends"], value["checkpoint"], value["channel_values"]
                    )

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """What a `DeltaChannel` is put together from: the value it began with, and writes since.

        It may have begun with a transcript, where the graph kept its messages otherwise before.
        """
        history = await self._connections.retried(
            partial(super().aget_delta_channel_history, config=config, channels=channels)
        )
        if CHANNEL in history and isinstance(seed := history[CHANNEL].get("seed"), InRows):
            thread_id = thread_of(config)
            (found,) = await self._select(OF_VERSION, [thread_id, CHANNEL, seed.version])
            history[CHANNEL]["seed"] = found.checkpoint["channel_values"][CHANNEL]
        return history

    def _build_delta_channels_writes_history(
        self, *, stage2_rows: Sequence[Any], **read: Any
    ) -> dict[str, DeltaChannelHistory]:
        """The plain saver decodes what it has read here, and can't decode a leaf."""
        rows, seed = set_rows_aside(stage2_rows)
        history = super()._build_delta_channels_writes_history(stage2_rows=rows, **read)
        if seed is not None:
            history[CHANNEL]["seed"] = seed
        return history

    @asynccontextmanager
    async def _cursor(self, *, pipeline: bool = False) -> AsyncIterator[AsyncCursor[DictRow]]:
        """What the inherited methods use. The plain saver lets one caller in at a time, even over
        a pool; the pool is all the order that is needed."""
        borrow = self._connections.transaction if pipeline else self._connections.cursor
        async with borrow() as cur:
            yield cur


def thread_of(config: RunnableConfig) -> str:
    return storable_name("thread", str(config["configurable"]["thread_id"]))
