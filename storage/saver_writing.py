"""How the checkpointer writes: steps, and sub-graphs' checkpoints."""

from collections.abc import Callable, Sequence
from functools import partial
from secrets import token_urlsafe
from typing import Any
from uuid import UUID

import psycopg
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    get_serializable_checkpoint_metadata,
)
from psycopg import AsyncCursor
from psycopg.rows import DictRow

from .deleting import delete_threads
from .errors import UserDeletedError
from .inner_steps import Put, put_inner
from .offered_writes import Offer
from .putting import Written, new_rows, split_values
from .refusing import told
from .rows import CHANNEL, LEAF_TYPE, ConversationGoneError, ensure_conversation
from .saver_pending import PendingWrites
from .saver_reading import thread_of
from .steps import Step, hold_parent, put_new_step, put_step
from .transcript import Row, is_transcript, storable_json, title_of

Owner = Callable[[RunnableConfig], str]

#: How often a step is put, if others delete or redact what it is put to.
ATTEMPTS = 5


class Writing(PendingWrites):
    """The writing half of `TranscriptSaver`."""

    _owner: Owner

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
        thread_id = thread_of(config)
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
        return _place_of(configurable, checkpoint)

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
        dumped += self._dump(thread_id, "", blobs, new_versions)
        step = self._step(
            config,
            {**checkpoint, "channel_values": inline},
            metadata,
            blobs=dumped,
            version=None if version is None else str(version),
            leaf=leaf,
            title=title,
            whole=whole,
            redacted_at=cached.conversation[1] if cached.conversation else None,
        )
        known = None if cached.conversation is None else cached.conversation[0]
        with self._offered.taken(thread_id, step.parent_checkpoint_id) as offers:
            conversation_id = await self._connections.retried(
                partial(self._store, known, step, written.rows, config, offers)
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
        self,
        known: UUID | None,
        step: Step,
        rows: Sequence[Row],
        config: RunnableConfig,
        offers: Sequence[Offer],
    ) -> UUID:
        """Commit a step to the conversation that is known, else to that of its thread.

        What is offered with it, for a conversation known to be just the same, goes with it.
        """
        if known is None:
            async with self._connections.transaction() as cur:
                known = await ensure_conversation(cur, step.thread_id, self._owner(config))
                await hold_parent(cur, known, step)
                await put_step(cur, known, step, rows)
            return known
        fitting = [one for one in offers if one.conversation == (known, step.redacted_at)]
        async with self._connections.cursor() as cur:
            try:
                writes = [row for offer in fitting for row in offer.dumped]
                await put_new_step(cur, known, step, rows, writes)
            except (psycopg.errors.UniqueViolation, ConversationGoneError):
                # Another step that was waited for, say, is no reason to store everything anew.
                await put_step(cur, known, step, rows)
            else:
                for offer in fitting:
                    offer.settle(stored=True)
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
        thread_id, namespace = thread_of(config), configurable["checkpoint_ns"]
        inline, blobs = split_values(checkpoint["channel_values"])
        versions, whole = new_versions, False

        async def put() -> Put:
            id_, redacted_at = self._cache.thread(thread_id).conversation or (None, None)
            step = self._step(
                config,
                {**checkpoint, "channel_values": inline},
                metadata,
                blobs=self._dump(thread_id, namespace, blobs, versions),
                whole=whole,
                redacted_at=redacted_at,
            )
            async with self._connections.cursor() as cur:
                return await put_inner(cur, id_, namespace, step)

        for _ in range(ATTEMPTS):
            done = await self._connections.retried(put)
            if not done.is_as_known:
                # The state of a sub-graph whose thread has been deleted is not stored any more.
                if not await self._catch_up(thread_id):
                    break
            elif done.has_all_values:
                break
            else:
                # Somebody deleted the checkpoint before this one, with values that it had.
                versions, whole = checkpoint["channel_versions"], True
        else:
            raise ConversationGoneError(
                f"thread {thread_id!r} was redacted or deleted, or what a sub-graph's step follows "
                f"was, each of the {ATTEMPTS} times that the step was to be stored"
            )
        return _place_of(configurable, checkpoint)

    def _dump(
        self, thread_id: str, namespace: str, values: dict[str, Any], versions: ChannelVersions
    ) -> list[tuple[str, str, str, bytes | None]]:
        """Channel, version, type and bytes of the values that a step has changed."""
        changed = {name: version for name, version in versions.items() if name in values}
        dumped = self._dump_blobs(thread_id, namespace, values, changed)
        return [(name, str(version), kind, blob) for *_, name, version, kind, blob in dumped]

    def _step(
        self,
        config: RunnableConfig,
        checkpoint: dict[str, Any],
        metadata: CheckpointMetadata,
        **more: Any,
    ) -> Step:
        """A step of any graph; `more` are the fields of `Step` that differ."""
        return Step(
            thread_id=thread_of(config),
            checkpoint_id=checkpoint["id"],
            parent_checkpoint_id=config["configurable"].get("checkpoint_id"),
            checkpoint=checkpoint,
            metadata=storable_json(get_serializable_checkpoint_metadata(config, metadata)),
            **more,
        )

    def _dump_blobs(
        self, thread_id: str, checkpoint_ns: str, values: dict[str, Any], versions: ChannelVersions
    ) -> list[tuple[str, str, str, str, str, bytes | None]]:
        with told(f"the state of thread {thread_id!r}", values, self.serde):
            dumped = super()._dump_blobs(thread_id, checkpoint_ns, values, versions)
        return self._blank(thread_id, dumped)

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


def _place_of(configurable: dict[str, Any], checkpoint: Checkpoint) -> RunnableConfig:
    """The config that names a checkpoint which has been stored."""
    return {
        "configurable": {
            "thread_id": configurable["thread_id"],
            "checkpoint_ns": configurable["checkpoint_ns"],
            "checkpoint_id": checkpoint["id"],
        }
    }
