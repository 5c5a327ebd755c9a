"""The checkpointer: LangGraph's Postgres saver, with the messages in the transcript tree.

The saver stores what `AsyncPostgresSaver` stores, in the same tables, but for one channel: where
the plain saver writes the whole list of messages again at every step, this one writes the new
messages as rows and, in place of the list, the digest of the last row. Rows and checkpoint commit
together, so they can't disagree. `docs/design.md` explains the tree.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from secrets import token_urlsafe
from typing import Any, cast
from uuid import UUID

import psycopg
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_id,
    get_serializable_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import DictRow, dict_row

from .connections import ANSWER_TIMEOUT, Connections, Pool
from .copying import copy_thread
from .deleting import delete_runs, delete_threads
from .errors import UserDeletedError
from .message_cache import CachedThread, MessageCache
from .putting import Written, new_rows, refuse_unreadable, split_values
from .reading import TranscriptError, UnreadableCheckpointError, keep_rows
from .redactions import Redactions, select_redactions
from .refusing import storable_name, told
from .rows import (
    CHANNEL,
    LEAF_TYPE,
    PUT_NEW_STEP,
    ConversationGoneError,
    Step,
    ensure_conversation,
    put_inner,
    put_step,
)
from .selecting import (
    OF_VERSION,
    SELECT_CHECKPOINTS,
    InRows,
    leaf_of,
    select_messages,
    set_rows_aside,
    without_leaf,
)
from .serde import graph_serializer
from .setup import set_up
from .sync_methods import SyncMethods
from .transcript import Row, is_transcript, storable_json, title_of
from .writes import INSERT, INSERT_NEW, INSERT_OR_REPLACE, put_writes

#: The owner of threads where there is no authentication.
LOCAL_USER = "local"

Owner = Callable[[RunnableConfig], str]

#: Bytes that the messages kept in memory may take, where nothing else is said.
CACHE_BYTES = 64 * 2**20

#: How often a step is put, if others delete or redact what it is put to.
ATTEMPTS = 5

#: Bytes of pending writes that are not decoded on the event loop any more.
LARGE = 100_000


def authenticated_user(config: RunnableConfig) -> str:
    """Whose thread this is, from what the server's authentication put into the config.

    `configurable.user_id` and `metadata.user_id` are not looked at: a client can write them.
    """
    return str(config["configurable"].get("langgraph_auth_user_id") or LOCAL_USER)


class TranscriptSaver(SyncMethods):
    """An `AsyncPostgresSaver` that stores each message once, as a row of the transcript tree.

    Args:
        pool: an open pool whose connections are in autocommit mode. The caller closes it.
        owner: says whose a thread is when its first checkpoint is written.
        serde: the serialiser; by default one that restores LangChain's and LangGraph's own types
            and no others.
        cache_bytes: how much the messages kept in memory may take.
        answer_timeout: seconds without an answer after which a connection counts as broken.
    """

    conn: Pool

    def __init__(
        self,
        pool: Pool,
        *,
        owner: Owner = authenticated_user,
        serde: SerializerProtocol | None = None,
        cache_bytes: int = CACHE_BYTES,
        answer_timeout: float = ANSWER_TIMEOUT,
    ) -> None:
        super().__init__(cast(Any, pool), serde=graph_serializer(serde))
        self._owner = owner
        self._cache = MessageCache(cache_bytes)
        self._connections = Connections(pool, answer_timeout=answer_timeout)

    async def setup(self) -> None:
        """Make or upgrade the tables: LangGraph's and the saver's own three.

        Any number of processes may do so at once. Nothing is written where nothing is missing.

        Raises:
            SetupError: they could not be made; nothing was changed.
            DatabaseFailedError: no connection was to be had.
        """
        async with self._connections.cursor(patient=True) as cur:
            await set_up(cur.connection)

    # Reading

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that `config` names, or the latest of its thread and namespace."""
        where, args = (
            "WHERE thread_id = %s AND checkpoint_ns = %s ",
            [
                _thread_of(config),
                config["configurable"].get("checkpoint_ns", ""),
            ],
        )
        if checkpoint_id := get_checkpoint_id(config):
            where += "AND checkpoint_id = %s"
            args.append(checkpoint_id)
        else:
            where += "ORDER BY checkpoint_id DESC LIMIT 1"
        found = await self._select(where, args)
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
            _thread_of(config)
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

    async def _select(self, where: str, args: Sequence[Any]) -> list[CheckpointTuple]:
        """Checkpoints with their transcripts, the connection given back before anyone uses them."""
        select = partial(self._select_once, where, args)
        try:
            return await self._connections.retried(select)
        except TranscriptError:
            # The thread may have been deleted between the reading of the two. Then it is gone now;
            # what is damaged is damaged still.
            return await self._connections.retried(select)

    async def _select_once(self, where: str, args: Sequence[Any]) -> list[CheckpointTuple]:
        async with self._cursor() as cur:
            await cur.execute(SELECT_CHECKPOINTS + where, args, binary=True)
            values = await cur.fetchall()
            await self._migrate_sends(cur, values)
            transcripts = await self._transcripts(cur.connection, values)
        return [await self._load_with(value, transcripts) for value in values]

    async def _transcripts(
        self, connection: AsyncConnection[Any], values: list[DictRow]
    ) -> dict[tuple[str, bytes], list[BaseMessage]]:
        """The transcripts that these checkpoints point at, by thread and leaf."""
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
            if missing:
                rows = await select_messages(connection, thread_id)
                keep_rows(thread_id, cached, self.serde, missing, rows)
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
            thread_id = _thread_of(config)
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

    # Writing

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint and the messages it adds, in one transaction."""
        configurable = config["configurable"]
        if configurable["checkpoint_ns"] != "":
            # A sub-graph's own state, which is no conversation with anybody.
            return await self._put_inner(config, checkpoint, metadata, new_versions)
        thread_id = _thread_of(config)
        versions, whole = new_versions, False
        for attempt in range(ATTEMPTS):
            try:
                await self._put(thread_id, config, checkpoint, metadata, versions, whole=whole)
                break
            except (ConversationGoneError, psycopg.errors.ForeignKeyViolation):
                if attempt == ATTEMPTS - 1:
                    raise
                # Somebody deleted the conversation, with rows that this process believed to be
                # there, or the checkpoint before this one, or blanked messages. The checkpoint at
                # hand is the thread's state all the same: store it whole, but for what was blanked.
                known = self._cache.thread(thread_id).conversation
                if not await self._catch_up(thread_id, whatever=True):
                    if known is not None:
                        await self._refuse_the_deleted(thread_id, self._owner(config))
                    self._cache.forget(thread_id)
                versions, whole = checkpoint["channel_versions"], True
        return {
            "configurable": {
                "thread_id": configurable["thread_id"],
                "checkpoint_ns": "",
                "checkpoint_id": checkpoint["id"],
            }
        }

    async def _put(
        self,
        thread_id: str,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
        *,
        whole: bool = False,
    ) -> None:
        """A checkpoint of the root graph: everything in one transaction."""
        inline, blobs = split_values(checkpoint["channel_values"])
        cached = self._cache.thread(thread_id)
        written, title = Written(), None
        leaf: bytes | None = None
        dumped: list[tuple[str, str, str, bytes | None]] = []
        messages = blobs.get(CHANNEL)
        version = checkpoint["channel_versions"].get(CHANNEL)
        if is_transcript(messages):
            title = title_of(messages)
            if CHANNEL not in new_versions and cached.leaf and cached.leaf[0] == str(version):
                leaf = cached.leaf[1]
            else:
                # Or it is a version that the plain saver wrote, which has no rows yet.
                del blobs[CHANNEL]
                written = new_rows(cached, self.serde, messages)
                leaf = written.leaf
                dumped.append((CHANNEL, str(version), LEAF_TYPE, leaf))
        versions = {k: v for k, v in new_versions.items() if k in blobs}
        dumped += [
            (channel, str(version), kind, blob)
            for _, _, channel, version, kind, blob in self._dump_blobs(
                thread_id, "", blobs, versions
            )
        ]
        step = Step(
            thread_id=thread_id,
            checkpoint_id=checkpoint["id"],
            parent_checkpoint_id=config["configurable"].get("checkpoint_id"),
            checkpoint={**checkpoint, "channel_values": inline},
            metadata=storable_json(get_serializable_checkpoint_metadata(config, metadata)),
            blobs=dumped,
            version=None if version is None else str(version),
            leaf=leaf,
            title=title,
            whole=whole,
            redacted_at=cached.conversation[1] if cached.conversation else None,
        )
        known = None if cached.conversation is None else cached.conversation[0]
        conversation_id = await self._connections.retried(
            partial(self._store, known, step, written.rows, config)
        )
        # Only what has been committed is remembered.
        if cached.conversation is None:
            cached.conversation = (conversation_id, None)
        # Unless everything was forgotten meanwhile, because a message was redacted, say.
        if self._cache.thread(thread_id) is cached:
            if leaf is not None:
                cached.leaf = (str(version), leaf)
            written.keep(cached)
        self._cache.trim(thread_id)

    async def _store(
        self, known: UUID | None, step: Step, rows: Sequence[Row], config: RunnableConfig
    ) -> UUID:
        """Commit a step to the conversation that is known, else to that of its thread."""
        if known is None:
            async with self._connections.transaction() as cur:
                known = await ensure_conversation(cur, step.thread_id, self._owner(config))
                await put_step(cur, known, step, rows)
            return known
        async with self._connections.cursor() as cur:
            try:
                await put_step(cur, known, step, rows, PUT_NEW_STEP)
            except psycopg.errors.UniqueViolation:
                await put_step(cur, known, step, rows)
        return known

    async def _put_inner(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """A checkpoint of a sub-graph, as the plain saver stores it, but in one statement."""
        configurable = config["configurable"]
        thread_id, namespace = _thread_of(config), configurable["checkpoint_ns"]
        inline, blobs = split_values(checkpoint["channel_values"])
        versions = {k: v for k, v in new_versions.items() if k in blobs}

        async def put() -> bool:
            id_, redacted_at = self._cache.thread(thread_id).conversation or (None, None)
            dumped = self._dump_blobs(thread_id, namespace, blobs, versions)
            step = Step(
                thread_id=thread_id,
                checkpoint_id=checkpoint["id"],
                parent_checkpoint_id=configurable.get("checkpoint_id"),
                checkpoint={**checkpoint, "channel_values": inline},
                metadata=get_serializable_checkpoint_metadata(config, metadata),
                blobs=[
                    (name, str(version), kind, blob) for *_, name, version, kind, blob in dumped
                ],
                redacted_at=redacted_at,
            )
            async with self._connections.cursor() as cur:
                return await put_inner(cur, id_, namespace, step)

        # The state of a sub-graph whose thread has been deleted is not stored any more.
        if not await self._connections.retried(put) and await self._catch_up(thread_id):
            await self._connections.retried(put)
        return {
            "configurable": {
                "thread_id": configurable["thread_id"],
                "checkpoint_ns": namespace,
                "checkpoint_id": checkpoint["id"],
            }
        }

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
        if await self._catch_up(_thread_of(config)):
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
        thread_id = _thread_of(config)
        conversation = self._cache.thread(thread_id).conversation or (None, None)
        dumped = self._dump_writes(
            thread_id,
            configurable["checkpoint_ns"],
            configurable["checkpoint_id"],
            task_id,
            task_path,
            writes,
        )
        special = all(channel in WRITES_IDX_MAP for channel, _ in writes)

        async def store() -> bool:
            async with self._connections.cursor() as cur:
                try:
                    return await put_writes(cur, INSERT, dumped, *conversation)
                except psycopg.errors.UniqueViolation:
                    query = INSERT_OR_REPLACE if special else INSERT_NEW
                    return await put_writes(cur, query, dumped, *conversation)

        return await self._connections.retried(store)

    # Redactions

    def _dump_blobs(
        self, thread_id: str, checkpoint_ns: str, values: dict[str, Any], versions: ChannelVersions
    ) -> list[tuple[str, str, str, str, str, bytes | None]]:
        with told(f"the state of thread {thread_id!r}", values, self.serde):
            dumped = super()._dump_blobs(thread_id, checkpoint_ns, values, versions)
        return self._blank(thread_id, dumped)

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

    async def _refuse_the_deleted(self, thread_id: str, subject: str) -> None:
        """A run must not bring a user back who was deleted, with all that was theirs, meanwhile."""
        deleted = False

        async def clear_up(cur: AsyncCursor[DictRow]) -> None:
            nonlocal deleted
            await cur.execute("SELECT FROM users WHERE subject = %s", (subject,))
            if deleted := await cur.fetchone() is None:
                # What sub-graphs have stored since.
                await delete_threads(cur, [thread_id])

        await self._connections.repeatable(clear_up)
        if deleted:
            raise UserDeletedError(
                f"user {subject!r} was deleted while a run wrote to their thread {thread_id!r}. "
                "Nothing of it is stored; begin a new thread."
            )

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

    def get_next_version(self, current: str | None, channel: None) -> str:
        """The version after `current`: its number and some chance, like the plain saver's.

        A step runs where a version is greater than the one it has seen, as a text. So the number
        has as many digits as LangGraph's server gives it, whose wrapper around a checkpointer
        counts by itself: shorter ones would be greater than all of its own, and what is said there
        on a thread written here would go unheard. The chance, which tells apart what two branches
        write, is shorter, since a checkpoint names a dozen versions.
        """
        number = 0 if current is None else int(str(current).partition(".")[0])
        return f"{number + 1:032}.{token_urlsafe(6)}"

    # Deleting

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete a thread: its conversation, its messages and its checkpoints, or nothing."""
        await self.aprune([str(thread_id)], strategy="delete")

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Prune threads: `delete` them whole, or `keep_latest` checkpoint and every message."""
        if strategy != "delete" or isinstance(thread_ids, str):
            await self._connections.retried(partial(super().aprune, thread_ids, strategy=strategy))
            return
        names = [storable_name("thread", str(thread_id)) for thread_id in thread_ids]
        await self._connections.repeatable(lambda cur: delete_threads(cur, names))
        for name in names:
            self._cache.forget(name)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread whole: conversation, tree and checkpoints, as they are at one moment.

        Raises:
            ThreadExistsError: there is a thread of the target's name.
        """
        source, target = (
            storable_name("thread", str(name)) for name in (source_thread_id, target_thread_id)
        )
        await self._connections.once(lambda cur: copy_thread(cur, source, target))
        # Of a thread that had this name and was deleted.
        self._cache.forget(target)

    async def adelete_for_runs(self, run_ids: Iterable[str]) -> None:
        """Take runs back: their checkpoints go, and conversations show what was before them.

        Raises:
            TypeError: `run_ids` is a single string.
            NotImplementedError: a later run keeps its state in a `DeltaChannel`, as changes to
                what these runs have left.
        """
        if isinstance(run_ids, str):
            raise TypeError(f"run_ids must be a sequence of run ids, not the text {run_ids!r}")
        runs = [str(run_id) for run_id in run_ids]
        await self._connections.repeatable(lambda cur: delete_runs(cur, runs))

    @asynccontextmanager
    async def _cursor(self, *, pipeline: bool = False) -> AsyncIterator[AsyncCursor[DictRow]]:
        """What the inherited methods use. The plain saver lets one caller in at a time, even over
        a pool; the pool is all the order that is needed."""
        borrow = self._connections.transaction if pipeline else self._connections.cursor
        async with borrow() as cur:
            yield cur


def _thread_of(config: RunnableConfig) -> str:
    return storable_name("thread", str(config["configurable"]["thread_id"]))


__all__ = [
    "LOCAL_USER",
    "TranscriptError",
    "TranscriptSaver",
    "authenticated_user",
]
