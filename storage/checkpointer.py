"""The checkpointer: LangGraph's Postgres saver, with the messages in the transcript tree.

The saver stores what `AsyncPostgresSaver` stores, in the same tables, but for one channel: where
the plain saver writes the whole list of messages again at every step, this one writes the new
messages as rows and, in place of the list, the digest of the last row. Rows and checkpoint commit
together, so they can't disagree. `docs/design.md` explains the tree.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, cast

import psycopg
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.postgres.base import PRUNE_STRATEGIES
from langgraph.checkpoint.serde.base import SerializerProtocol

from .connections import ANSWER_TIMEOUT, Connections, Pool
from .copying import ThreadExistsError, copy_thread
from .deleting import delete_runs, delete_threads
from .message_cache import MessageCache
from .offered_writes import OfferedWrites
from .pruning import prune_thread, refuse_delta_channels, wait_for_step
from .reading import TranscriptError
from .refusing import storable_name
from .saver_writing import Owner, Writing
from .serde import graph_serializer
from .setup import set_up

#: The owner of threads where there is no authentication.
LOCAL_USER = "local"

#: Bytes that the messages kept in memory may take, where nothing else is said.
CACHE_BYTES = 256 * 2**20


def authenticated_user(config: RunnableConfig) -> str:
    """Whose thread this is, from what the server's authentication put into the config.

    `configurable.user_id` and `metadata.user_id` are not looked at: a client can write them.
    """
    return str(config["configurable"].get("langgraph_auth_user_id") or LOCAL_USER)


class TranscriptSaver(Writing):
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
        self._offered = OfferedWrites()
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

    # Deleting

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete a thread: its conversation, its messages and its checkpoints, or nothing."""
        await self.aprune([str(thread_id)], strategy="delete")

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Prune threads: `delete` them whole, or `keep_latest` checkpoint and every message."""
        if strategy not in PRUNE_STRATEGIES or isinstance(thread_ids, str):
            # The plain saver says what is wrong with that.
            await super().aprune(thread_ids, strategy=strategy)
            return
        names = [storable_name("thread", str(thread_id)) for thread_id in thread_ids]
        if strategy == "keep_latest":
            await self._keep_latest(names)
            return
        await self._connections.repeatable(lambda cur: delete_threads(cur, names))
        for name in names:
            self._cache.forget(name)

    async def _keep_latest(self, thread_ids: Sequence[str]) -> None:
        async def refuse() -> None:
            async with self._connections.cursor(patient=True) as cur:
                await refuse_delta_channels(cur, thread_ids)

        await self._connections.retried(refuse)
        for thread_id in thread_ids:
            await self._connections.retried(partial(self._prune, thread_id))

    async def _prune(self, thread_id: str) -> None:
        async with self._connections.cursor(patient=True) as cur:
            await wait_for_step(cur.connection, thread_id)
            async with cur.connection.transaction():
                await prune_thread(cur.connection, thread_id)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread whole: conversation, tree and checkpoints, as they are at one moment.

        Raises:
            ThreadExistsError: there is a thread of the target's name.
        """
        source, target = (
            storable_name("thread", str(name)) for name in (source_thread_id, target_thread_id)
        )
        try:
            await self._connections.once(lambda cur: copy_thread(cur, source, target))
        except psycopg.errors.UniqueViolation as error:
            # Of all that a copy writes, nothing but the target's name could be there before.
            raise ThreadExistsError(target) from error
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


__all__ = [
    "LOCAL_USER",
    "TranscriptError",
    "TranscriptSaver",
    "authenticated_user",
]
