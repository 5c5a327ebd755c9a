"""Reading conversations and their messages from the rows."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from storage import conversations
from storage.conversations import (
    ConversationNotFoundError,
    Entry,
    active_messages,
    all_messages,
    find_conversation,
    last_messages,
    recent_conversations,
    tree,
)
from storage.cursors import InvalidCursorError, cursor, place
from storage.database import Database, connect
from storage.errors import TablesMissingError
from storage.models import Conversation, Message, User


async def tell(database: Database, *, thread: str, subject: str = "local") -> UUID:
    """A conversation without a message."""
    async with database.session() as session:
        user = User(subject=subject)
        conversation = Conversation(user_id=user.id, thread_id=thread, title=f"About {thread}")
        session.add(user)
        await session.flush()
        session.add(conversation)
        await session.commit()
        return conversation.id


async def say(
    database: Database, conversation_id: UUID, content: str, parent: UUID | None, *, leaf: bool
) -> UUID:
    """One message more, as the conversation's leaf or beside its active branch."""
    async with database.session() as session:
        conversation = await session.get_one(Conversation, conversation_id)
        message = Message(
            id=uuid4(),
            conversation_id=conversation_id,
            user_id=conversation.user_id,
            parent_id=parent,
            digest=uuid4().bytes * 2,
            role="user",
            content=content,
            payload=b"",
            payload_type="msgpack",
        )
        session.add(message)
        await session.flush()
        if leaf:
            conversation.leaf_id = message.id
        await session.commit()
        return message.id


async def forked(database: Database) -> UUID:
    """one → two → three, where two has a later sibling with a child of its own, and is active."""
    conversation_id = await tell(database, thread="t")
    one = await say(database, conversation_id, "one", None, leaf=False)
    two = await say(database, conversation_id, "two", one, leaf=False)
    await say(database, conversation_id, "three", two, leaf=True)
    other = await say(database, conversation_id, "other two", one, leaf=False)
    await say(database, conversation_id, "other three", other, leaf=False)
    return conversation_id


async def test_the_active_branch_is_read_from_root_to_leaf(database: Database) -> None:
    conversation_id = await forked(database)
    async with database.session() as session:
        read = await active_messages(session, conversation_id)
    assert [(entry.content, depth) for entry, depth in read] == [
        ("one", 0),
        ("two", 0),
        ("three", 0),
    ]
    assert all(entry.active for entry, _ in read)


async def test_the_whole_tree_shows_a_left_branch_where_it_leaves(database: Database) -> None:
    conversation_id = await forked(database)
    async with database.session() as session:
        read = await all_messages(session, conversation_id)
    assert [(entry.content, depth, entry.active) for entry, depth in read] == [
        ("one", 0, True),
        ("other two", 1, False),
        ("other three", 1, False),
        ("two", 0, True),
        ("three", 0, True),
    ]


async def test_messages_of_another_conversation_are_not_read(database: Database) -> None:
    conversation_id = await forked(database)
    other = await tell(database, thread="other", subject="ann")
    await say(database, other, "elsewhere", None, leaf=True)
    async with database.session() as session:
        read = await all_messages(session, conversation_id)
        active = await active_messages(session, conversation_id)
    assert "elsewhere" not in [entry.content for entry, _ in (*read, *active)]


async def test_an_empty_transcript_has_no_active_message_but_keeps_its_rows(
    database: Database,
) -> None:
    conversation_id = await tell(database, thread="t")
    await say(database, conversation_id, "left", None, leaf=False)
    async with database.session() as session:
        assert await active_messages(session, conversation_id) == []
        assert [entry.content for entry, _ in await all_messages(session, conversation_id)] == [
            "left"
        ]


async def test_a_chain_that_somebody_bent_into_a_circle_is_not_followed_for_ever(
    database: Database,
) -> None:
    conversation_id = await tell(database, thread="t")
    one = await say(database, conversation_id, "one", None, leaf=False)
    two = await say(database, conversation_id, "two", one, leaf=True)
    async with database.pool.connection() as connection:
        await connection.execute("UPDATE messages SET parent_id = %s WHERE id = %s", (two, one))
    async with database.session() as session:
        # Nothing of it hangs on a root.
        assert await active_messages(session, conversation_id) == []


async def test_conversations_come_in_the_order_of_their_last_change(database: Database) -> None:
    first = await tell(database, thread="first", subject="ann")
    await say(database, first, "hello", None, leaf=True)
    await tell(database, thread="second", subject="bob")
    async with database.pool.connection() as connection:
        await connection.execute(
            "UPDATE conversations SET updated_at = now() + interval '1 hour' WHERE id = %s",
            (first,),
        )
    async with database.session() as session:
        summaries = await recent_conversations(session, limit=10)
        of_bob = await recent_conversations(session, limit=10, user="bob")
        latest = await recent_conversations(session, limit=1)
    assert [(s.thread_id, s.title, s.user, s.messages) for s in summaries] == [
        ("first", "About first", "ann", 1),
        ("second", "About second", "bob", 0),
    ]
    assert [summary.thread_id for summary in of_bob] == ["second"]
    assert latest == summaries[:1]


async def test_pages_of_conversations_fit_together(database: Database) -> None:
    for number in range(7):
        await tell(database, thread=str(number), subject=f"user {number}")
    async with database.pool.connection() as connection:
        # All but two at the same instant, and all of the same user's.
        await connection.execute(
            "UPDATE conversations SET user_id = (SELECT user_id FROM conversations"
            " WHERE thread_id = '0'), updated_at = '2026-01-01' WHERE thread_id < '5'"
        )
    for user in (None, "user 0"):
        threads: list[str] = []
        after = None
        async with database.session() as session:
            whole = await recent_conversations(session, limit=10, user=user)
            while page := await recent_conversations(session, limit=2, user=user, after=after):
                threads += [summary.thread_id for summary in page]
                after = page[-1].cursor
        assert threads == [summary.thread_id for summary in whole]
        assert len(threads) == (5 if user else 7)


async def test_a_user_whom_nobody_knows_has_no_conversations(database: Database) -> None:
    await tell(database, thread="t")
    async with database.session() as session:
        for user in ("bob", "", "local\x00", "\udc80"):
            assert await recent_conversations(session, limit=1, user=user) == []


async def test_a_list_counts_messages_up_to_a_number(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation_id = await tell(database, thread="t")
    for number in range(4):
        await say(database, conversation_id, str(number), None, leaf=False)
    for most, counted in ((3, 3), (5, 4)):
        monkeypatch.setattr(conversations, "MOST_COUNTED", most)
        async with database.session() as session:
            (summary,) = await recent_conversations(session, limit=1)
        assert summary.messages == counted


async def chain(database: Database, length: int) -> tuple[UUID, list[UUID]]:
    """A conversation of so many messages, and their ids."""
    conversation_id = await tell(database, thread="t")
    ids: list[UUID] = []
    for number in range(length):
        parent = ids[-1] if ids else None
        ids.append(await say(database, conversation_id, str(number), parent, leaf=True))
    return conversation_id, ids


async def test_the_last_messages_are_read_a_page_at_a_time(database: Database) -> None:
    conversation_id, ids = await chain(database, 7)
    async with database.session() as session:
        read: list[UUID] = []
        before = None
        while page := await last_messages(session, conversation_id, limit=3, before=before):
            read = [entry.id for entry in page] + read
            before = page[0].cursor
        assert read == ids
        assert [entry.id for entry in await last_messages(session, conversation_id)] == ids


async def test_a_page_goes_on_with_its_branch_when_another_is_active(database: Database) -> None:
    conversation_id, ids = await chain(database, 4)
    async with database.session() as session:
        page = await last_messages(session, conversation_id, limit=1)
    await say(database, conversation_id, "instead", ids[0], leaf=True)
    async with database.session() as session:
        further = await last_messages(session, conversation_id, before=page[0].cursor)
        anew = await last_messages(session, conversation_id)
    assert [entry.content for entry in further] == ["0", "1", "2"]
    assert [entry.content for entry in anew] == ["0", "instead"]


async def test_an_empty_conversation_has_no_last_messages(database: Database) -> None:
    conversation_id = await tell(database, thread="t")
    async with database.session() as session:
        assert await last_messages(session, conversation_id) == []
        assert await last_messages(session, uuid4()) == []


async def test_a_cursor_of_another_conversation_shows_nothing_of_it(database: Database) -> None:
    mine, _ = await chain(database, 2)
    theirs = await tell(database, thread="theirs", subject="bob")
    secret = await say(database, theirs, "secret", None, leaf=True)
    await say(database, theirs, "more", secret, leaf=True)
    async with database.session() as session:
        entry = (await last_messages(session, theirs, limit=1))[0]
        for before in (entry.cursor, cursor("message", entry.created_at, uuid4())):
            with pytest.raises(InvalidCursorError):
                await last_messages(session, mine, before=before)


@pytest.mark.parametrize(
    "wrong", ["", "x", "ü", cursor("hit", datetime(2026, 1, 1, tzinfo=UTC), UUID(int=1)), "A" * 34]
)
async def test_a_cursor_of_something_else_is_an_error(database: Database, wrong: str) -> None:
    conversation_id = await tell(database, thread="t")
    async with database.session() as session:
        with pytest.raises(InvalidCursorError, match="no cursor of a message"):
            await last_messages(session, conversation_id, before=wrong)
        with pytest.raises(InvalidCursorError, match="no cursor of a conversation"):
            await recent_conversations(session, limit=1, after=wrong)


@pytest.mark.parametrize("year", [1, 1969, 2026, 9999])
def test_a_cursor_says_where_it_comes_from(year: int) -> None:
    at = datetime(year, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert place("hit", cursor("hit", at, UUID(int=3))) == (at, UUID(int=3))


async def test_a_conversation_is_found_by_its_thread_and_by_its_own_id(database: Database) -> None:
    id_ = await tell(database, thread="t")
    async with database.session() as session:
        by_thread = await find_conversation(session, "t")
        by_id = await find_conversation(session, str(id_))
    assert by_thread == by_id
    assert by_id.id == id_


@pytest.mark.parametrize(
    "name", ["nothing", "", "t\x00", "00000000-0000-0000-0000-000000000000", "' OR true; --"]
)
async def test_a_name_that_nothing_has_is_an_error(database: Database, name: str) -> None:
    await tell(database, thread="t")
    async with database.session() as session:
        with pytest.raises(ConversationNotFoundError):
            await find_conversation(session, name)


async def test_a_database_without_tables_is_told_to_be_migrated(empty_database_url: str) -> None:
    async with connect(empty_database_url) as database, database.session() as session:
        with pytest.raises(TablesMissingError, match="migrate"):
            await recent_conversations(session, limit=1)


def entry(number: int, parent: int | None, *, active: bool = False) -> Entry:
    return Entry(
        id=UUID(int=number),
        parent_id=None if parent is None else UUID(int=parent),
        role="user",
        content=str(number),
        tool_calls=None,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        digest=bytes(32),
        active=active,
    )


def order(*entries: Entry) -> list[tuple[int, int]]:
    return [(entry.id.int, depth) for entry, depth in tree(entries)]


def test_without_an_active_branch_the_latest_goes_on() -> None:
    assert order(entry(1, None), entry(2, 1), entry(3, 1)) == [(1, 0), (2, 1), (3, 0)]


def test_an_edited_first_message_is_a_branch_as_well() -> None:
    assert order(entry(1, None), entry(2, 1), entry(3, None, active=True)) == [
        (1, 1),
        (2, 1),
        (3, 0),
    ]


def test_branches_of_branches_lie_further_to_the_side() -> None:
    assert order(
        entry(1, None, active=True),
        entry(2, 1, active=True),
        entry(3, 1),
        entry(4, 3),
        entry(5, 3),
    ) == [(1, 0), (3, 1), (4, 2), (5, 1), (2, 0)]


def test_a_conversation_of_ten_thousand_messages_is_no_deeper_than_a_short_one() -> None:
    chain = [entry(number, number - 1 or None) for number in range(1, 10_001)]
    assert order(*chain) == [(number, 0) for number in range(1, 10_001)]


def test_nothing_has_no_order() -> None:
    assert order() == []
