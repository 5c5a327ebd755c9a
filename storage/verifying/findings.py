"""What verifying finds: the kinds of damage, and what is worth knowing without being any."""

from dataclasses import dataclass
from enum import StrEnum


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

    # Nothing wrong
    LEFT_BRANCHES = "left-branches"
    NOT_ADOPTED = "not-adopted"
    UNUSED = "unused"

    @property
    def is_problem(self) -> bool:
        """Whether something is wrong, rather than worth knowing."""
        return self not in (Kind.LEFT_BRANCHES, Kind.NOT_ADOPTED, Kind.UNUSED)


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
    #: Whether repairing may mend it. Where another copy of something has to exist for that, it is
    #: only looked for then.
    mendable: bool = False

    @property
    def is_problem(self) -> bool:
        """Whether something is wrong, rather than worth knowing."""
        return self.kind.is_problem
