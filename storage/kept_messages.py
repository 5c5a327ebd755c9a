"""Messages that were handed out, to be handed out again once nobody else has them.

To make a thousand messages takes longer than to see that a thousand are still as they were:
unpacking, and the garbage collection that so many new objects bring about. A server reads the same
conversation at each turn, and has let go of what it read for the turn before. Those objects are as
good as new ones, if nobody holds any of them, nor any dict or list in them, and they are as they
were stored.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import chain
from operator import is_, itemgetter
from sys import getrefcount
from typing import Any

from langchain_core.messages import BaseMessage

from .decoding import BLOCK, PlainMessage
from .packed_messages import PackedMessages, extra_of, fields_of

#: About how many bytes a kept message takes for each byte of its payload, and beside that.
TIMES, OVERHEAD = 3, 1_000


def _references_of_one_list() -> int:
    """What Python counts for an object that nothing holds but a list that is gone through."""
    return max(map(getrefcount, [object()]))


_IN_ONE_LIST = _references_of_one_list()


class KeptMessages:
    """Messages that were made of payloads, in the order of their rows."""

    def __init__(self) -> None:
        self.let_go()

    def let_go(self) -> None:
        """Keep none of them any more."""
        self.messages: list[BaseMessage] = []
        #: About how many bytes they take.
        self.size = 0
        #: What is in the messages, block by block, as far as it was looked for.
        self._containers: list[_Containers] = []

    def keep(self, messages: Iterable[tuple[BaseMessage, PlainMessage]]) -> None:
        """Keep further messages, each of which was just made of its payload."""
        # The last block may not have been full.
        del self._containers[len(self.messages) // BLOCK :]
        for message, plain in messages:
            self.messages.append(message)
            self.size += TIMES * len(plain.packed) + OVERHEAD

    def are_free_and_unchanged(self, packed: PackedMessages, count: int) -> bool:
        """Whether nobody holds any of them, or anything in them that can be changed, and the first
        `count` are as they are stored.

        Args:
            packed: what they are stored as.
        """
        # Both is asked of one block after the other, while the processor's cache has it.
        return all(
            self._are_free(number)
            and (
                start >= count
                or packed.block_is_of(number, self.messages[start : min(start + BLOCK, count)])
            )
            for number, start in enumerate(range(0, len(self.messages), BLOCK))
        )

    def _are_free(self, number: int) -> bool:
        block = self.messages[number * BLOCK : (number + 1) * BLOCK]
        if not set(map(getrefcount, block)) <= {_IN_ONE_LIST + 1}:
            return False
        if number == len(self._containers):
            self._containers.append(_Containers(block))
        return self._containers[number].are_free_in(block)


class _Containers:
    """Every dict and list in some messages, which may be held by who has let go of the messages."""

    def __init__(self, messages: Sequence[BaseMessage]) -> None:
        self._fields: list[Any] = list(map(fields_of, messages))
        self._extra: list[Any] = list(map(extra_of, messages))
        #: Those in the fields that have others in them; each is in two lists, as each leaf is.
        self._parents: list[Any] = []
        self._leaves: list[Any] = []
        #: How to get what is in the fields and in the parents, and that.
        self._getters = list(map(_getter, self._fields))
        self._held = list(chain.from_iterable(self._now()))
        for part in self._held:
            if (getter := _getter(part)) is _nothing:
                self._leaves.append(part)
            else:
                self._parents.append(part)
                self._getters.append(getter)
                # They come up in their turn.
                self._held += getter(part)

    def _now(self) -> Iterable[Iterable[Any]]:
        parents = chain(self._fields, self._parents)
        return [get(parent) for get, parent in zip(self._getters, parents, strict=True)]

    def are_free_in(self, messages: Sequence[BaseMessage]) -> bool:
        """Whether they still are those in the messages, and nobody else holds any of them."""
        return (
            # Beside the lists here, each is in one message or container.
            set(map(getrefcount, self._fields)) <= {_IN_ONE_LIST + 1}
            and set(map(getrefcount, self._extra)) <= {_IN_ONE_LIST + 1}
            and set(map(getrefcount, self._held)) <= {_IN_ONE_LIST + 2}
            # An equal one in the place of another is somebody's.
            and all(map(is_, map(fields_of, messages), self._fields))
            and all(map(is_, map(extra_of, messages), self._extra))
            and all(map(is_, chain.from_iterable(self._now()), self._held))
        )


Getter = Callable[[Any], Iterable[Any]]


def _getter(container: Any) -> Getter:
    """What gets the dicts and lists that are in one now from where they are in it."""
    if type(container) is dict:
        return _getter_of(tuple(n for n, value in container.items() if _is_container(value)))
    return _getter_of(tuple(n for n, value in enumerate(container) if _is_container(value)))


@lru_cache(maxsize=1_000)
def _getter_of(places: tuple[Any, ...]) -> Getter:
    if not places:
        return _nothing
    # Of one place alone, it would get what is there, and not a tuple of it.
    return itemgetter(*places) if len(places) > 1 else _the_only(places[0])


def _the_only(place: Any) -> Getter:
    return lambda container: (container[place],)


def _nothing(container: Any) -> Iterable[Any]:
    return ()


def _is_container(value: object) -> bool:
    return type(value) in (dict, list)
