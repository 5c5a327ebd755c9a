"""What tasks wrote, offered to the step that is put at the same moment.

LangGraph hands over what the last task of a step wrote, and the checkpoint that is made of it, one
right after the other, and waits for the first no sooner than for the second. Both are then stored
by one statement and one commit.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from .writes import Dumped

#: A conversation's id, if it is known to have one, and when it was redacted last, in Postgres's
#: binary form.
Known = tuple[UUID | None, bytes | None]


class Offer:
    """What one task wrote. Whoever takes it says what has become of it."""

    def __init__(self, dumped: Dumped, conversation: Known) -> None:
        self.dumped = dumped
        self.conversation = conversation
        self._stored: asyncio.Future[bool] | None = None

    async def is_stored(self) -> bool:
        """Whether somebody has stored it; waits for who has taken it."""
        return self._stored is not None and await self._stored

    def take(self) -> None:
        """Promise to say what becomes of it."""
        self._stored = asyncio.get_running_loop().create_future()

    def settle(self, *, stored: bool) -> None:
        """Say so. The first answer counts."""
        # Who had offered it may have been cancelled meanwhile.
        if self._stored is not None and not self._stored.done():
            self._stored.set_result(stored)


class OfferedWrites:
    """The offers of one process, by thread and checkpoint."""

    def __init__(self) -> None:
        self._offers: defaultdict[tuple[str, str], list[Offer]] = defaultdict(list)

    async def were_stored(
        self, thread_id: str, checkpoint_id: str, dumped: Dumped, conversation: Known
    ) -> bool:
        """Whether a step that followed the checkpoint at this moment has stored what a task wrote.

        Args:
            dumped: rows of `checkpoint_writes`.
            conversation: the one that they are for, as it is known.
        """
        key = thread_id, checkpoint_id
        offer = Offer(dumped, conversation)
        self._offers[key].append(offer)
        try:
            # Whatever was begun at the same moment begins now.
            await asyncio.sleep(0)
        finally:
            if offer in (offers := self._offers.get(key, [])):
                offers.remove(offer)
                if not offers:
                    del self._offers[key]
        return await offer.is_stored()

    @contextmanager
    def taken(self, thread_id: str, checkpoint_id: str | None) -> Iterator[Sequence[Offer]]:
        """What is offered to a step that follows a checkpoint; what it doesn't settle is left."""
        offers = [] if checkpoint_id is None else self._offers.pop((thread_id, checkpoint_id), [])
        for offer in offers:
            offer.take()
        try:
            yield offers
        finally:
            for offer in offers:
                offer.settle(stored=False)
