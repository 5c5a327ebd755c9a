"""What is cached of one thread: its messages, and the objects that were made of them."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from langchain_core.messages import BaseMessage

from .cached_message import OVERHEAD, Node, hand_out
from .known_list import KnownList
from .redactions import Redactions

#: So many lists of a thread's messages are known at a time: those of its running graphs.
LISTS = 8


class CachedThread:
    """The messages of one thread, all branches, by digest."""

    def __init__(self) -> None:
        self._size = OVERHEAD
        #: How much of `size` the cache as a whole has counted.
        self.counted = 0
        #: The thread's conversation, once it is known to be there, and its last redaction that
        #: what is cached takes into account, in Postgres's binary form.
        self.conversation: tuple[UUID, bytes | None] | None = None
        #: A version of the messages channel, and the row that it ends with: the ones last read or
        #: written.
        self.leaf: tuple[str, bytes] | None = None
        #: What may not be brought back, if a message of it was redacted.
        self.redactions: Redactions | None = None
        self._nodes: dict[bytes, Node] = {}
        #: The latest first.
        self._lists: list[KnownList] = []
        #: The path that was asked for last. What is in the cache stays there.
        self._path: list[bytes] = []
        self._was_read = False

    def add(self, digest: bytes, node: Node) -> None:
        """Keep a stored message."""
        if digest not in self._nodes:
            self._nodes[digest] = node
            self._size += node.size

    @property
    def size(self) -> int:
        """About how many bytes are taken."""
        return self._size + self.kept_size

    @property
    def kept_size(self) -> int:
        """About how many of them are taken by what can be let go of: messages that were handed out
        and may be again, and what is compared with them."""
        return sum(known.size for known in self._lists)

    def get(self, digest: bytes) -> Node | None:
        """A stored message, if it is kept."""
        return self._nodes.get(digest)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._nodes

    def path(self, leaf: bytes) -> list[bytes] | None:
        """Digests from root to leaf, or none where a message on the way is not in the cache.

        The list is not the caller's to change.
        """
        if self._path and self._path[-1] == leaf:
            return self._path
        if self._lists and (known := self._lists[0].digests)[-1] == leaf:
            self._path = known.copy()
            return self._path
        nodes, path = self._nodes, []
        digest: bytes | None = leaf
        while digest is not None:
            node = nodes.get(digest)
            if node is None:
                return None
            path.append(digest)
            digest = node.parent
        path.reverse()
        self._path = path
        return path

    def recognise(self, messages: Sequence[BaseMessage]) -> list[bytes]:
        """The digests of the first messages, as far as these very objects are known rows.

        It ends before the first object that is not known, that somebody has changed, or that
        follows another message than it did.
        """
        ids = list(map(id, messages))
        best, count = None, 0
        for known in self._lists:
            if (common := known.common(ids)) > count:
                best, count = known, common
                if count == len(ids):
                    break
        if best is None:
            return []
        self._lists.remove(best)
        self._lists.insert(0, best)
        return best.digests[: best.unchanged(messages, count)]

    def remember(self, messages: Sequence[BaseMessage], digests: list[bytes]) -> None:
        """From now on, recognise these objects as the rows that lead to the last of them."""
        ids = list(map(id, messages))
        for known in self._lists:
            length = len(known.ids)
            if ids[:length] == known.ids and digests[:length] == known.digests:
                if nodes := self._nodes_of(digests[length:]):
                    known.extend(messages[length:], digests[length:], nodes)
                return
        if nodes := self._nodes_of(digests):
            known = KnownList(messages, digests, nodes)
            self._lists = [known, *(other for other in self._lists if not other.is_gone)][:LISTS]

    def _nodes_of(self, digests: Sequence[bytes]) -> list[Node] | None:
        """The messages of these digests, if all of them are kept."""
        nodes = [node for node in map(self._nodes.get, digests) if node is not None]
        return nodes if len(nodes) == len(digests) else None

    def hand_out(self, leaves: Iterable[bytes]) -> dict[bytes, list[BaseMessage]]:
        """The messages that lead to each leaf, all of which are here; lists share them.

        They are copies for a caller, who may change them. Unchanged ones are recognised later: of
        the longest list, if there are several.
        """
        paths = {leaf: path for leaf in leaves if (path := self.path(leaf))}
        if not paths:
            return {}
        longest = max(paths, key=lambda leaf: len(paths[leaf]))
        messages = self._hand_out_path(paths[longest])
        if len(paths) == 1:
            return {longest: messages}
        handed = dict(zip(paths[longest], messages, strict=True))
        new = [digest for path in paths.values() for digest in path if digest not in handed]
        new = list(dict.fromkeys(new))
        handed |= zip(new, hand_out([self._nodes[digest] for digest in new]), strict=True)
        return {leaf: [handed[digest] for digest in path] for leaf, path in paths.items()}

    def _hand_out_path(self, path: list[bytes]) -> list[BaseMessage]:
        """The messages of a path, those that are kept for it and new ones."""
        known, count = self._kept_for(path)
        messages = known.take(count) if known is not None else None
        if known is None or messages is None:
            nodes = [self._nodes[digest] for digest in path]
            messages = hand_out(nodes)
            known = KnownList(messages, path, nodes)
        elif count < len(path):
            nodes = [self._nodes[digest] for digest in path[count:]]
            new = hand_out(nodes)
            known.cut(count)
            known.extend(new, path[count:], nodes)
            messages += new
        # Many a conversation is read but once, and its messages would be kept in vain.
        if self._was_read and known.kept_length < len(path):
            known.keep(messages)
        self._was_read = True
        self._put_first(known)
        return messages

    def _kept_for(self, path: list[bytes]) -> tuple[KnownList | None, int]:
        """The list with the most kept messages of a path, and how many there are."""
        best, most = None, 0
        for known in self._lists:
            if (count := known.kept_of(path)) > most:
                best, most = known, count
        return best, most

    def _put_first(self, known: KnownList) -> None:
        """Know this list; what is left of others goes."""
        first = known.ids[0]
        others = [
            other
            for other in self._lists
            # Who began with what was free to be handed out is gone.
            if other is not known and other.ids[0] != first and not other.is_gone
        ]
        self._lists = [known, *others][:LISTS]

    def let_go(self) -> None:
        """Keep no message that was handed out, only what they are made of."""
        for known in self._lists:
            known.let_go()
