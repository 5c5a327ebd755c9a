"""The three tables of the transcript tree: users, conversations, messages.

A message is an immutable row whose parent is the message before it, so the messages of a
conversation form a tree, like commits. A conversation's leaf is the last message of its active
branch; the active transcript is the path from the root to that leaf. `docs/design.md` tells why.
"""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from .limits import ROLE_MAX, TITLE_MAX

#: Which messages a search looks at: what people and models said. Of a call the conversation tells
#: in words, and what a tool returns is data.
SEARCHED = "role = ANY (ARRAY['user', 'assistant']) AND content <> ''"

#: The words of a message: in lower case, and whatever the language. Postgres makes at most 1 MB of
#: words of a text, and refuses the row beyond that; 100,000 characters are safe in any script.
SEARCH_WORDS = "to_tsvector('simple', left(content, 100000))"

#: Seconds of a period, which are four weeks. Periods are numbered from 1970 on.
PERIOD = 2_419_200

#: Characters from which on a word is not in the index. Postgres refuses words of more than 2,046
#: bytes in what is taken for a `tsvector` already, though it leaves them out of what it makes one
#: of; and each gets another character here.
LONGEST_WORD = 500

_PERIOD = f"floor(EXTRACT(epoch FROM (created_at AT TIME ZONE 'UTC')) / {PERIOD})::integer"

#: What the index of words holds of a message: a mark of its owner and period, and its words, each
#: behind a letter that stands for a quarter of the owners and for one of thirteen periods. So a
#: word's list is short, and what is said in these weeks changes few lists. A mark begins with a
#: blank, which no word does. Half an id is enough, as a search asks the rows for the owner, too.
#: Brackets and casts are where psql shows them, so that Alembic knows the expression again.
SEARCH_VECTOR = (
    f"((((replace(' ' || regexp_replace(strip({SEARCH_WORDS})::text,"
    " '''[^ ]{250}[^ ]{251,}', '', 'g'), ' ''', ' ''' ||"
    f" chr(40 + mod(get_byte(uuid_send(user_id), 15), 4) * 13 + mod(abs({_PERIOD}), 13)))"
    f" || ' '' ') || right(user_id::text, 10)) || {_PERIOD}::text) || '''')::tsvector"
)


def timestamp_column() -> Any:
    """A `timestamptz` column that the database fills with the time of the write."""
    return Column(DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()"))


class User(SQLModel, table=True):
    """Somebody who owns conversations."""

    __tablename__ = "users"
    __table_args__ = (UniqueConstraint("subject", name="uq_users_subject"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    #: The name that authentication gives the user; `local` where there is no authentication.
    subject: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime | None = Field(default=None, sa_column=timestamp_column())


class Conversation(SQLModel, table=True):
    """What people read of one LangGraph thread; exactly one per thread."""

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("thread_id", name="uq_conversations_thread_id"),
        # Pages of a user's conversations, the last changed first.
        Index("ix_conversations_user_id", "user_id", "updated_at", "id"),
        Index("ix_conversations_updated_at", "updated_at"),
        # With the conversation in the key, no other conversation's message can be a leaf, and the
        # primary key serves whoever deletes a message and has to look for references to it. So
        # `leaf_id`, which changes in every step, needs no index, and a step writes none.
        ForeignKeyConstraint(
            ["id", "leaf_id"],
            ["messages.conversation_id", "messages.id"],
            name="fk_conversations_leaf",
            use_alter=True,
        ),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False)
    )
    thread_id: str = Field(sa_column=Column(Text, nullable=False))
    #: The first words the user said; none before they have said any.
    title: str | None = Field(default=None, sa_column=Column(String(TITLE_MAX)))
    #: The last message of the active branch; none while the transcript is empty.
    leaf_id: UUID | None = Field(default=None, sa_column=Column(Uuid))
    #: The checkpoint that `leaf_id` is taken from: the latest of the thread's root graph.
    leaf_checkpoint_id: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime | None = Field(default=None, sa_column=timestamp_column())
    #: When the person last said something, or a step was last stored, to the second.
    updated_at: datetime | None = Field(default=None, sa_column=timestamp_column())
    #: When a message of it was last redacted. Processes that remember the messages as they were
    #: before then have to forget them.
    redacted_at: datetime | None = Field(
        default=None, sa_column=Column(DateTime(timezone=True), nullable=True)
    )


class Message(SQLModel, table=True):
    """One message, written once and never changed, but for a redaction."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("conversation_id", "digest", name="uq_messages_conversation_digest"),
        # What the foreign keys of leaves and parents refer to.
        UniqueConstraint("conversation_id", "id", name="ix_messages_conversation_id"),
        # With the conversation in the key, a parent is always of the same one.
        ForeignKeyConstraint(
            ["conversation_id", "parent_id"],
            ["messages.conversation_id", "messages.id"],
            name="fk_messages_parent",
        ),
        Index("idx_messages_conversation_created", "conversation_id", "created_at"),
        # Without it, every deleted message would scan this table for its children.
        Index("ix_messages_parent_id", "parent_id"),
        # A search has two ways, see `search.py`: back from a user's newest message, and by words.
        # Over an expression, since a column for it would make the rows nearly three times as big.
        Index(
            "ix_messages_user_id",
            "user_id",
            "created_at",
            "id",
            postgresql_where=text(SEARCHED),
        ),
        Index(
            "ix_messages_words",
            text(f"({SEARCH_VECTOR})"),
            postgresql_using="gin",
            postgresql_where=text(SEARCHED),
        ),
    )

    id: UUID = Field(primary_key=True)
    conversation_id: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False)
    )
    #: The message before this one on every branch that holds it; none for the first.
    parent_id: UUID | None = Field(default=None, sa_column=Column(Uuid))
    #: sha256(parent's digest followed by the payload as it was written), 32 bytes.
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    #: user, assistant, system or tool; the message's own type for any other.
    role: str = Field(sa_column=Column(String(ROLE_MAX), nullable=False))
    #: The text of the message, for people and SQL.
    content: str = Field(sa_column=Column(Text, nullable=False))
    #: Assistant: the calls asked for. Tool: the audit record of what was done. Else none.
    tool_calls: list[dict[str, Any]] | None = Field(
        default=None, sa_column=Column(JSONB(none_as_null=True))
    )
    #: The whole LangChain message as the serialiser wrote it.
    payload: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    #: Which of the serialiser's forms `payload` is in; `msgpack` unless it encrypts.
    payload_type: str = Field(
        sa_column=Column(String(50), nullable=False, server_default=text("'msgpack'"))
    )
    created_at: datetime | None = Field(default=None, sa_column=timestamp_column())
    #: The conversation's owner, so that one user's messages can be searched by an index.
    user_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    #: When the content was blanked on purpose; none for all other messages.
    redacted_at: datetime | None = Field(
        default=None, sa_column=Column(DateTime(timezone=True), nullable=True)
    )
    #: sha256("redacted" followed by the digest and the blanked payload): the trace of a redaction,
    #: which stands in for the digest that the payload doesn't match any more.
    redaction: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
