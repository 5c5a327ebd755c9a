"""Threads after a restart.

`langgraph dev` keeps its list of threads in memory and on disk every ten seconds. After a crash, or
in a fresh checkout, it knows none of them, though every checkpoint and every row is in Postgres.
"""

import logging
from uuid import UUID

from langgraph_sdk.client import LangGraphClient
from sqlmodel import col, select

from storage.database import shared_database
from storage.models import Conversation, User

logger = logging.getLogger(__name__)

GRAPH = "task_agent"

#: How many threads come back at a start, the ones used last. Each takes about two milliseconds.
RESTORED = 500


async def restore_threads(client: LangGraphClient) -> None:
    """Make the server know the conversations that were used last, each with its owner.

    A thread that the server knows already is left as it is. A failure is logged and no more: the
    server works without, as far as it goes.
    """
    try:
        async with shared_database().session() as session:
            latest = (
                select(Conversation.thread_id, User.subject)
                .join(User, col(User.id) == col(Conversation.user_id))
                .order_by(col(Conversation.updated_at).desc())
                .limit(RESTORED)
            )
            threads = (await session.exec(latest)).all()
        for thread_id, owner in threads:
            if _is_uuid(thread_id):
                await client.threads.create(
                    thread_id=thread_id,
                    metadata={"graph_id": GRAPH, "owner": owner},
                    if_exists="do_nothing",
                )
    except Exception:
        logger.exception("The threads of earlier conversations could not be restored")


def _is_uuid(text: str) -> bool:
    """Whether the server would take this for a thread's id; graphs run without it name freely."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
