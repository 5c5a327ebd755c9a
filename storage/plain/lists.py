"""From the lists of messages that the plain saver stored to the rows of the tree."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.base import SerializerProtocol

from ..errors import StorageError
from ..transcript import Row, digest_of, is_transcript, row_of
from .form import MSGPACK_TYPE, list_start, value_ends

#: A message as its row identifies it: the digest of the one before, and the payload.
Place = tuple[bytes | None, bytes]


class NotAdoptableError(StorageError):
    """A value of the messages channel that the tree can't hold; it stays as it is."""


class PlainLists:
    """Reads the lists of one thread, one after another.

    A thread's lists mostly begin like the one before, byte for byte; that part is not decoded
    again. What is kept is the list read last.

    Args:
        serde: reads what the plain saver wrote, and writes the rows' payloads.
        redacted: messages that were blanked, with the digests that they kept.
    """

    def __init__(
        self, serde: SerializerProtocol, redacted: Mapping[Place, bytes] | None = None
    ) -> None:
        self._serde = serde
        self._redacted = redacted or {}
        #: The values of the list read last, and where in it each of them ends.
        self._body = b""
        self._ends: list[int] = []
        self.messages: list[BaseMessage] = []
        self._digests: list[bytes] = []

    @property
    def leaf(self) -> bytes:
        """The digest of the last message of the list read last."""
        return self._digests[-1]

    def read(self, kind: str, data: bytes, when: datetime | None) -> list[Row]:
        """The rows of a list from where it differs from the list read before.

        Args:
            kind: the serialiser's name for the form of `data`.
            when: the time for audit records that hold none.

        Raises:
            NotAdoptableError: it is no list of messages, is empty, or a message would not come back
                as it is. Nothing has changed then.
        """
        body, ends, same, messages = self._take_apart(kind, data)
        digests = self._digests[:same]
        rows = []
        for position in range(same, len(messages)):
            parent = digests[-1] if digests else None
            payload_type, payload = self._payload(messages[position])
            if (digest := self._redacted.get((parent, payload))) is None:
                digest = digest_of(parent, payload)
                with _refused("has no form as a row", messages[position]):
                    row = row_of(
                        messages,
                        position,
                        parent=parent,
                        payload_type=payload_type,
                        payload=payload,
                        now=when or datetime.now(UTC),
                    )
                rows.append(row)
            digests.append(digest)
        self._body, self._ends, self.messages, self._digests = body, ends, messages, digests
        return rows

    def _take_apart(
        self, kind: str, data: bytes
    ) -> tuple[bytes, list[int], int, list[BaseMessage]]:
        """Values, their ends, how many are as before, and the messages that they are."""
        start = list_start(data) if kind == MSGPACK_TYPE else None
        if start is not None:
            body = data[start:]
            try:
                ends, same = self._ends_in(body)
            except ValueError:
                # Texts, say. What it is will show.
                start = None
        if start is None:
            return b"", [], 0, self._decoded_list(kind, data)
        begins = [0, *ends]
        values = [body[begins[n] : begins[n + 1]] for n in range(same, len(ends))]
        messages = self.messages[:same] + [self._decoded(kind, value) for value in values]
        return body, ends, same, self._checked(messages)

    def _ends_in(self, body: bytes) -> tuple[list[int], int]:
        if body.startswith(self._body):
            return self._ends + list(value_ends(body, len(self._body))), len(self._ends)
        ends = list(value_ends(body, 0))
        same = begin = 0
        for end, before in zip(ends, self._ends, strict=False):
            if end != before or body[begin:end] != self._body[begin:end]:
                break
            same, begin = same + 1, end
        return ends, same

    def _decoded_list(self, kind: str, data: bytes) -> list[BaseMessage]:
        return self._checked(self._decoded(kind, data))

    def _decoded(self, kind: str, data: bytes) -> object:
        try:
            return self._serde.loads_typed((kind, data))
        except Exception as error:
            # A serialiser may raise anything: it runs constructors of other libraries.
            raise NotAdoptableError(
                f"{kind!r} data that this serialiser can't read: {type(error).__name__}: {error}"
            ) from error

    def _checked(self, value: object) -> list[BaseMessage]:
        if is_transcript(value):
            return value
        if value == []:
            raise NotAdoptableError("an empty list")
        if not isinstance(value, list):
            raise NotAdoptableError(f"no list of messages, but a {type(value).__name__}")
        other = next(item for item in value if not isinstance(item, BaseMessage))
        raise NotAdoptableError(
            f"a list that holds a {type(other).__name__} and not only messages, or a message of a "
            "class that this serialiser refuses to restore"
        )

    def _payload(self, message: BaseMessage) -> tuple[str, bytes]:
        """What the row stores, which has to be the message and nothing else."""
        with _refused("can't be written by this serialiser", message):
            typed = self._serde.dumps_typed(message)
            again = self._serde.loads_typed(typed)
        # Two numbers that are none (NaN) are never equal, but look the same.
        if again != message and repr(again) != repr(message):
            raise NotAdoptableError(
                f"a message ({_shown(message)}) that the serialiser of today would change: half of "
                "a surrogate pair, say, which it writes as “?”"
            )
        return typed


@contextmanager
def _refused(why: str, message: BaseMessage) -> Iterator[None]:
    """One strange message is no reason to stop: its list stays as it is."""
    try:
        yield
    except Exception as error:
        raise NotAdoptableError(
            f"a message ({_shown(message)}) that {why}: {type(error).__name__}: {error}"
        ) from error


def _shown(message: BaseMessage) -> str:
    return f"{message.type} {message.id}" if message.id else message.type
