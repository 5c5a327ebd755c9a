"""Tasks and a ledger from before there were lists, subtasks and recurrence."""

import io
from collections.abc import Callable

import pytest
from alembic import command

from migrations.run import alembic_config, migrate
from storage.database import connect
from tests.storage.migration_support import assert_migrated, execute, fetch
from tests.tools.support import ANN, Person, client, person

#: As the code of then wrote them: a task that was changed, one completed, one deleted.
OLD_ROWS = """
INSERT INTO users (id, subject) VALUES ('00000000-0000-4000-8000-000000000001', 'ann');
INSERT INTO tasks (id, user_id, number, title, notes, priority, due_at, completed_at, created_at)
    SELECT '00000000-0000-4000-8000-00000000000a'::uuid, id, 1, 'Call the Zahnärztin', 'ÄRGER',
           'high'::task_priority, '2026-11-19 09:00+01'::timestamptz, NULL::timestamptz,
           '2026-11-01 09:00+01'::timestamptz FROM users
    UNION ALL
    SELECT '00000000-0000-4000-8000-00000000000b', id, 2, 'Mum''s present', NULL, 'normal', NULL,
           '2026-11-02 09:00+01', '2026-11-01 10:00+01' FROM users;
INSERT INTO task_events (id, user_id, key, action, task_number, before, after, result, created_at)
    SELECT gen_random_uuid(), id, key, action, number, before::jsonb, after::jsonb, result::jsonb,
           at::timestamptz
    FROM users, (VALUES
        ('key', 'add_task', 1, NULL,
         '{"number": 1, "title": "Call", "notes": null, "priority": "normal", "due_at": null,
           "completed_at": null, "created_at": "2026-11-01T08:00:00+00:00"}',
         '{"action": "added", "note": "A note.", "task": {"number": 1, "title": "Call",
           "notes": null, "priority": "normal", "due": null, "completed": null,
           "created": "2026-11-01T09:00:00+01:00"}}', '2026-11-01 09:00+01'),
        (NULL, 'add_task', 3, NULL, '{"number": 3, "title": "Gone", "priority": "low",
           "notes": null, "due_at": null, "completed_at": null,
           "created_at": "2026-11-01T08:00:00+00:00"}', '{}', '2026-11-01 11:00+01'),
        ('more', 'update_task', 1,
         '{"number": 1, "title": "Call", "notes": null, "priority": "normal", "due_at": null,
           "completed_at": null, "created_at": "2026-11-01T08:00:00+00:00"}',
         '{"number": 1, "title": "Call the Zahnärztin", "notes": "ÄRGER", "priority": "high",
           "due_at": "2026-11-19T08:00:00+00:00", "completed_at": null,
           "created_at": "2026-11-01T08:00:00+00:00"}',
         '{}', '2026-11-01 12:00+01'),
        (NULL, 'delete_task', 3, '{"number": 3, "title": "Gone", "priority": "low", "notes": null,
           "due_at": null, "completed_at": null, "created_at": "2026-11-01T08:00:00+00:00"}',
         NULL, '{}', '2026-11-03 11:00+01')
    ) AS old (key, action, number, before, after, result, at);
"""

#: Tasks by their numbers, with those that they are parts of: trees, circles, and what is in lists.
OLD_TREES = """
INSERT INTO users (id, subject) VALUES (gen_random_uuid(), 'ann'), (gen_random_uuid(), 'bob');
INSERT INTO task_lists (id, user_id, name) SELECT gen_random_uuid(), id, 'Work' FROM users;
INSERT INTO tasks (id, user_id, number, title, searched, place)
    SELECT md5(subject || number)::uuid, id, number, 'task ' || number, 'task ' || number, number
    FROM users, generate_series(1, 30) number;
UPDATE tasks t SET parent_id = md5(subject || parent)::uuid
    FROM users u, (VALUES
        (2, 1), (3, 2),
        (5, 6), (6, 7), (7, 5), (8, 7), (9, 8),
        (11, 12), (12, 11),
        (14, 13), (15, 14), (16, 15), (17, 16), (18, 17), (19, 18), (20, 17)
    ) AS part (number, parent)
    WHERE t.user_id = u.id AND t.number = part.number;
UPDATE tasks t SET list_id = l.id FROM task_lists l
    WHERE l.user_id = t.user_id AND t.number IN (2, 11, 13, 14);
"""
#: How many tasks a task is within, that number, and whether it is in the list.
TREES = """
    SELECT t.number, p.number, t.depth, t.list_id IS NOT NULL
    FROM tasks t JOIN users u ON u.id = t.user_id LEFT JOIN tasks p ON p.id = t.parent_id
    WHERE subject = %s AND t.number <= 20 ORDER BY t.number
"""

Alembic = Callable[[str], None]


@pytest.fixture
def upgrade(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Alembic:
    """Bring an empty database to a revision, up or down."""
    monkeypatch.setenv("DATABASE_URL", empty_database_url)

    def to(revision: str) -> None:
        config = alembic_config()
        config.stdout = io.StringIO()
        down = revision != "head" and current() > revision
        (command.downgrade if down else command.upgrade)(config, revision)

    def current() -> str:
        if fetch(empty_database_url, "SELECT to_regclass('alembic_version') IS NULL")[0][0]:
            return ""
        [(revision,)] = fetch(empty_database_url, "SELECT version_num FROM alembic_version")
        return str(revision)

    return to


async def test_tasks_of_before_are_what_they_were(
    upgrade: Alembic, empty_database_url: str
) -> None:
    upgrade("0004")
    execute(empty_database_url, OLD_ROWS)
    upgrade("head")
    async with connect(empty_database_url) as database, person(database) as ann:
        assert await ann.task(1) == {
            "number": 1,
            "title": "Call the Zahnärztin",
            "notes": "ÄRGER",
            "priority": "high",
            "due": "2026-11-19T09:00:00+01:00",
            "list": "Inbox",
            "created": "2026-11-01T09:00:00+01:00",
        }
        assert (await ann.task(2))["completed"] == "2026-11-02T09:00:00+01:00"
        assert await ann.titles(text="zahnÄrztin ärger", state="all") == ["Call the Zahnärztin"]
        assert await ann.titles(text="mums", state="all") == ["Mum's present"]
        assert (await ann.add("New"))["number"] == 4


async def test_a_call_of_before_is_still_answered_as_it_was(
    upgrade: Alembic, empty_database_url: str
) -> None:
    upgrade("0004")
    execute(empty_database_url, OLD_ROWS)
    upgrade("head")
    async with connect(empty_database_url) as database, client(database) as session:
        answer = await Person(session, ANN).call("key").answer("add_tasks", tasks=["Call"])
    assert answer["changed"] == 1
    [result] = answer["results"]
    assert (result["action"], result["note"], result["task"]["title"]) == (
        "added",
        "A note.",
        "Call",
    )
    keys = fetch(
        empty_database_url,
        "SELECT position, turn_id = key, action, before ->> 'id' IS NULL, after ->> 'place'"
        " FROM task_events ORDER BY position",
    )
    assert keys == [
        (1, True, "added", True, "1"),
        (2, True, "added", True, "3"),
        (3, True, "updated", False, "1"),
        (4, True, "deleted", False, None),
    ]


def test_going_back_keeps_what_there_was_then(upgrade: Alembic, empty_database_url: str) -> None:
    upgrade("0004")
    execute(empty_database_url, OLD_ROWS)
    tasks = fetch(empty_database_url, "SELECT to_jsonb(t) FROM tasks t ORDER BY number")
    upgrade("head")
    execute(empty_database_url, "UPDATE tasks SET priority = 'urgent' WHERE number = 1")
    upgrade("0004")
    assert fetch(empty_database_url, "SELECT to_jsonb(t) FROM tasks t ORDER BY number") == tasks
    events = fetch(
        empty_database_url,
        "SELECT action, result -> 'action', before IS NULL, after IS NULL FROM task_events"
        " ORDER BY created_at",
    )
    assert events == [
        ("add_task", "added", True, False),
        ("add_task", "unchanged", True, False),
        ("update_task", "unchanged", False, False),
        ("delete_task", "unchanged", False, True),
    ]
    migrate(empty_database_url)
    assert_migrated(empty_database_url)


async def test_tasks_that_are_there_are_found_by_the_index_of_words(
    upgrade: Alembic, empty_database_url: str
) -> None:
    upgrade("0006")
    execute(
        empty_database_url,
        "INSERT INTO users (id, subject) VALUES (gen_random_uuid(), 'ann');"
        "INSERT INTO tasks (id, user_id, number, title, notes, labels, searched)"
        " SELECT gen_random_uuid(), id, 1, '买牛奶 🥛', 'Für die Zahnärztin', '{home,a:b}',"
        " E'买牛奶 🥛\\nfür die zahnärztin' FROM users",
    )
    upgrade("head")
    async with connect(empty_database_url) as database, person(database) as ann:
        for text in ("牛奶", "🥛", "ärzt", "ZAHN", "die"):
            assert await ann.titles(text=text) == ["买牛奶 🥛"]
        assert await ann.titles(labels=["home", "a:b"]) == ["买牛奶 🥛"]
        assert await ann.titles(text="it") == []
        before = fetch(empty_database_url, "SELECT pieces FROM tasks")
        await ann.one("update_tasks", task="牛奶", priority="high")
        assert fetch(empty_database_url, "SELECT pieces FROM tasks") == before


async def test_trees_that_somebody_tangled_by_hand_are_trees_again(
    upgrade: Alembic, empty_database_url: str
) -> None:
    upgrade("0009")
    execute(empty_database_url, OLD_TREES)
    upgrade("head")
    for subject in ("ann", "bob"):
        assert fetch(empty_database_url, TREES, subject) == [
            # In the list of the outermost one.
            (1, None, 0, False),
            (2, 1, 1, False),
            (3, 2, 2, False),
            (4, None, 0, False),
            # The circles are open where the lowest number is.
            (5, None, 0, False),
            (6, 7, 2, False),
            (7, 5, 1, False),
            (8, 7, 2, False),
            (9, 8, 3, False),
            (10, None, 0, False),
            (11, None, 0, True),
            (12, 11, 1, True),
            # What was too deep is beside what it was a part of.
            (13, None, 0, True),
            (14, 13, 1, True),
            (15, 14, 2, True),
            (16, 15, 3, True),
            (17, 16, 4, True),
            (18, 16, 4, True),
            (19, 16, 4, True),
            (20, 16, 4, True),
        ]
    async with connect(empty_database_url) as database, person(database) as ann:
        await ann.one("update_tasks", task=13, list="Inbox")
        await ann.named("delete_tasks", 13)
        assert (await ann.answer("find_tasks"))["total"] == 22
    migrate(empty_database_url)
    assert_migrated(empty_database_url)


def test_trees_are_there_after_going_back_and_up_again(
    upgrade: Alembic, empty_database_url: str
) -> None:
    upgrade("0009")
    execute(empty_database_url, OLD_TREES)
    upgrade("head")
    trees = fetch(empty_database_url, TREES, "ann")
    for _ in range(2):
        upgrade("0009")
        upgrade("head")
    assert fetch(empty_database_url, TREES, "ann") == trees
    migrate(empty_database_url)
    assert_migrated(empty_database_url)
