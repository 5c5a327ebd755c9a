"""What verifying finds: the kinds of damage, what would mend each, and what is worth knowing."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID


class Kind(StrEnum):
    """What is the matter. A change of a value is a change for programs that read `--json`."""

    # Rows of `messages`
    PAYLOAD = "message-payload"
    DIGEST = "message-digest"
    KEY = "message-key"
    PARENT = "message-parent"
    MISSING = "message-missing"
    REDACTION = "message-redaction"
    UNREADABLE = "message-unreadable"
    COLUMNS = "message-columns"
    OWNER = "message-owner"
    HOMELESS = "message-homeless"

    # Rows of `conversations`
    LEAF = "conversation-leaf"
    TITLE = "conversation-title"
    USER = "conversation-user"
    NO_CONVERSATION = "conversation-missing"

    # LangGraph's tables
    FOREIGN = "checkpoint-foreign"
    NO_VALUE = "checkpoint-value"
    MISPLACED = "checkpoint-misplaced"
    UNREADABLE_STATE = "checkpoint-unreadable"

    # Nothing wrong
    LEFT_BRANCHES = "left-branches"
    NOT_ADOPTED = "not-adopted"
    UNUSED = "unused"

    @property
    def is_problem(self) -> bool:
        """Whether something is wrong, rather than worth knowing."""
        return self not in (Kind.LEFT_BRANCHES, Kind.NOT_ADOPTED, Kind.UNUSED)


@dataclass(frozen=True, slots=True)
class SetColumns:
    """Give a message's row what its payload says."""

    id: UUID
    role: str
    content: str
    tool_calls: list[dict[str, Any]] | None


@dataclass(frozen=True, slots=True)
class SetDigest:
    """Give a message's row the digest that its payload, its parent and its key make."""

    id: UUID
    digest: bytes


@dataclass(frozen=True, slots=True)
class SetKey:
    """Give a message's row the id that its digest makes, and tell the rows that refer to it."""

    id: UUID
    key: UUID


@dataclass(frozen=True, slots=True)
class SetParent:
    """Have a message follow the one that its digest says."""

    conversation_id: UUID
    id: UUID
    #: Of the right parent; none for the first message.
    parent_digest: bytes | None


@dataclass(frozen=True, slots=True)
class RestoreMessage:
    """Put a message back from where the same one is stored as well, if it is."""

    conversation_id: UUID
    id: UUID
    #: Its digest, where it is known; else a row is looked for whose key is `id`.
    digest: bytes | None = None
    #: The digest of a message that follows it.
    child_digest: bytes | None = None
    #: Whether the row is there, with something else in it.
    is_there: bool = False
    #: Whether it was redacted, so that what it was before is not to come back.
    is_redacted: bool = False


@dataclass(frozen=True, slots=True)
class SetOwner:
    """Give a conversation's messages its owner."""

    conversation_id: UUID


@dataclass(frozen=True, slots=True)
class SetLeaf:
    """Have a conversation end where its latest checkpoint does."""

    conversation_id: UUID
    checkpoint_id: str | None
    leaf_id: UUID | None


@dataclass(frozen=True, slots=True)
class SetTitle:
    """Name a conversation after what its user said first."""

    conversation_id: UUID


@dataclass(frozen=True, slots=True)
class MakeConversation:
    """Make a thread's conversation anew, if its messages are still there."""

    thread_id: str


@dataclass(frozen=True, slots=True)
class SetLeafDigest:
    """Have a checkpoint point at the message that the conversation ends with."""

    thread_id: str
    version: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class DeleteUnused:
    """Delete the values and writes that no checkpoint of a thread uses."""

    thread_id: str


Mend = (
    SetColumns
    | SetDigest
    | SetKey
    | SetParent
    | RestoreMessage
    | SetOwner
    | SetLeaf
    | SetTitle
    | MakeConversation
    | SetLeafDigest
    | DeleteUnused
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found."""

    #: None where no conversation says which thread it was.
    thread_id: str | None
    kind: Kind
    #: The id of the message, the checkpoint or the conversation.
    about: str
    #: What is the matter, a sentence with the values.
    what: str
    #: What to do, a sentence; empty where there is nothing to do.
    advice: str = ""
    #: What repairing does about it; none where it can do nothing.
    mend: Mend | None = field(default=None, repr=False, compare=False)

    @property
    def is_problem(self) -> bool:
        """Whether something is wrong, rather than worth knowing."""
        return self.kind.is_problem

    @property
    def mendable(self) -> bool:
        """Whether repairing may mend it. Where the same message has to be stored somewhere else
        for that, it is looked for only then."""
        return self.mend is not None
