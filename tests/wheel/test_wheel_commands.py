"""The wheel's command, on databases that plain LangGraph has written, as another project has them.

What each command does in all its cases is tested with `task-agent`, whose commands are the same.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from langchain_core.messages import BaseMessage
from langgraph.checkpoint.base import CheckpointTuple

from tests.cli.support import Result
from tests.storage.migration_support import fetch
from tests.storage.plain_support import all_checkpoints_sync, differences
from tests.wheel.support import REPOSITORY, SOURCE, Environment

pytestmark = pytest.mark.timeout(900)

#: An app as it was before: LangGraph's own saver, and users that only the app knows.
WRITE = """
import asyncio
import os

import plain_writer
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver


async def write():
    async with AsyncPostgresSaver.from_conn_string(os.environ["DATABASE_URL"]) as saver:
        await saver.setup()
        graph = plain_writer.chat(saver)
        for number, text in enumerate(("Buy milk", "The code is 4711", "What is on my list?")):
            await graph.ainvoke(plain_writer.said(text, f"h{number}"), plain_writer.on("turns"))
        owned = plain_writer.on("owned", langgraph_auth_user_id="ada")
        await graph.ainvoke(plain_writer.said("Mine", "h0"), owned)


asyncio.run(write())
"""

#: The same app, once it has the wheel.
SHOP = """
import asyncio
import os

from langchain_core.messages import HumanMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import MessagesState, StateGraph
from langgraph_transcript import open_saver


class Note(HumanMessage):
    pass


serde = JsonPlusSerializer(allowed_msgpack_modules=[("shop", "Note")])


def owner_of(thread_id, user):
    return f"customer of {thread_id}" if user is None else user


async def set_up():
    async with open_saver(os.environ["DATABASE_URL"]) as saver:
        await saver.setup()


async def write_a_note():
    async with open_saver(os.environ["DATABASE_URL"], serde=serde) as saver:
        builder = StateGraph(MessagesState).add_node("noted", lambda state: {})
        graph = builder.set_entry_point("noted").compile(checkpointer=saver)
        config = {"configurable": {"thread_id": "notes"}}
        await graph.ainvoke({"messages": [Note("remember")]}, config)
"""


@dataclass(frozen=True)
class App:
    """A project that has the wheel, in a folder and on a database of its own."""

    environment: Environment
    folder: Path
    url: str

    def command(self, *arguments: str) -> Result:
        """How the wheel's command ends."""
        return self._start(self.environment.command, *arguments)

    def python(self, *arguments: str) -> str:
        """What Python prints."""
        done = self._start(self.environment.python, *arguments)
        assert done.code == 0, done.err
        return done.out

    def _start(self, *arguments: str) -> Result:
        return self.environment.start(arguments, self.folder, {"DATABASE_URL": self.url})


@pytest.fixture
def app(environment: Environment, empty_database_url: str, tmp_path: Path) -> App:
    """An app on an empty database."""
    (tmp_path / "shop.py").write_text(SHOP)
    shutil.copy(REPOSITORY / "tests" / "storage" / "plain_writer.py", tmp_path)
    return App(environment, tmp_path, empty_database_url)


@pytest.fixture
def shop(app: App) -> App:
    """One whose database plain LangGraph has written, and in which the wheel's tables are."""
    app.python("-c", f"{WRITE}\nimport shop\nasyncio.run(shop.set_up())")
    return app


def messages(checkpoint: CheckpointTuple) -> list[BaseMessage]:
    found: list[BaseMessage] = checkpoint.checkpoint["channel_values"].get("messages", [])
    return found


def test_a_plain_database_is_adopted_verified_and_ejected_as_it_was(shop: App) -> None:
    before = all_checkpoints_sync(shop.url)
    noted = shop.command("verify")
    assert noted.code == 0, noted.err
    assert "`langgraph-transcript adopt` does now" in noted.out

    adopted = shop.command("adopt", "--owner", "shop:owner_of")
    assert adopted.code == 0, adopted.err
    assert "2 threads looked at, 2 of them new to the tree" in adopted.out
    assert dict(
        fetch(
            shop.url,
            "SELECT thread_id, subject FROM conversations c JOIN users u ON u.id = c.user_id",
        )
    ) == {"turns": "customer of turns", "owned": "ada"}
    verified = shop.command("verify")
    assert (verified.code, verified.out) == (0, "Nothing is wrong: 16 messages looked at.\n")

    ejected = shop.command("eject", "--yes")
    assert ejected.code == 0, ejected.err
    assert fetch(shop.url, "SELECT count(*) FROM messages") == [(0,)]
    assert differences(all_checkpoints_sync(shop.url), before) == []


def test_a_row_that_was_tampered_with_is_named_and_mended(shop: App) -> None:
    assert shop.command("adopt", "--user", "ada").code == 0
    with psycopg.connect(shop.url) as connection:
        tampered = connection.execute(
            "UPDATE messages SET content = 'Buy gin' WHERE content = 'Buy milk' RETURNING id"
        ).fetchall()
    ((id_,),) = tampered
    found = shop.command("verify")
    assert found.code == 1
    assert f"wrong: thread turns: content of message {id_} " in found.out
    assert "`langgraph-transcript repair`" in found.out
    assert found.err.startswith("Error: 1 thing wrong, 16 messages looked at.")
    assert "`langgraph-transcript repair --dry-run`" in found.err

    mended = shop.command("repair")
    assert (mended.code, mended.err) == (0, "")
    assert f"mended: thread turns: content of message {id_} " in mended.out
    assert shop.command("verify").code == 0
    assert fetch(shop.url, f"SELECT content FROM messages WHERE id = '{id_}'") == [("Buy milk",)]


def test_a_redacted_message_is_blank_for_the_plain_saver_too(shop: App) -> None:
    before = all_checkpoints_sync(shop.url)
    assert shop.command("adopt", "--user", "ada").code == 0
    ((id_,),) = fetch(shop.url, "SELECT id FROM messages WHERE content = 'The code is 4711'")
    redacted = shop.command("redact", str(id_), "--yes")
    assert redacted.code == 0, redacted.err
    assert "rows of messages" in redacted.out
    assert "what the app keeps in other tables" in redacted.out
    assert shop.command("verify").code == 0
    assert shop.command("eject", "--yes").code == 0

    after = all_checkpoints_sync(shop.url)
    assert len(after) == len(before)
    for now, was in zip(after, before, strict=True):
        said = [message.text for message in messages(was)]
        blank = ["[redacted]" if text == "The code is 4711" else text for text in said]
        assert [message.text for message in messages(now)] == blank
        others = [message for message in messages(was) if message.text != "The code is 4711"]
        assert [one for one in messages(now) if one.text != "[redacted]"] == others
    assert any("4711" in str(messages(was)) for was in before)
    assert not any("4711" in str(now) for now in after)


def test_the_documented_functions_do_the_same(shop: App) -> None:
    found = re.findall(r"```python\n(.*?)```", (SOURCE / "README.md").read_text(), re.DOTALL)
    (example,) = [block for block in found if "adopt_threads" in block]
    (shop.folder / "example.py").write_text(example)
    printed = shop.python("example.py").splitlines()
    assert printed == ["owned: 4 messages are rows now", "turns: 12 messages are rows now"]
    assert fetch(shop.url, "SELECT DISTINCT subject FROM users") == [("ada",)]


def test_without_the_tables_it_is_told_how_they_are_made(app: App) -> None:
    app.python("-c", WRITE)
    for arguments in (["verify"], ["redact", "x", "--yes"]):
        failed = app.command(*arguments)
        assert failed.code == 1
        assert "`setup()`" in failed.err
        assert "Traceback" not in failed.err


def test_a_serialiser_of_the_apps_own_is_named_to_the_command(shop: App) -> None:
    shop.python("-c", "import asyncio, shop; asyncio.run(shop.write_a_note())")
    unread = shop.command("verify", "notes")
    assert unread.code == 1
    assert "wrong: thread notes: " in unread.out
    verified = shop.command("--serde", "shop:serde", "verify", "notes")
    assert (verified.code, verified.err) == (0, "")
    refused = shop.command("--serde", "shop:owner_of", "verify", "notes")
    assert refused.code == 2
    # Where it says what is wrong, lines are broken in between.
    assert "is no serialiser, but a function" in re.sub(r"[\s│]+", " ", refused.err)


def test_it_can_be_run_as_a_module_and_says_what_it_is(environment: Environment) -> None:
    printed = environment.run("-m", "langgraph_transcript", "--version")
    assert re.fullmatch(r"langgraph-transcript \d+\.\d+\.\d+\n", printed)
    helped = environment.run("-m", "langgraph_transcript", "--help")
    for name in ("verify", "repair", "adopt", "eject", "redact", "--database", "--serde"):
        assert name in helped
    nowhere = environment.start([environment.command, "verify"], environment.folder, {})
    assert nowhere.code == 1
    assert "TRANSCRIPT_DATABASE_URL or DATABASE_URL" in nowhere.err


def test_without_what_it_needs_it_says_what_to_install(environment: Environment) -> None:
    program = (
        "import sys; sys.modules['typer'] = None; from langgraph_transcript.__main__ import main;"
        " main()"
    )
    failed = environment.start([environment.python, "-c", program], environment.folder, {})
    assert failed.code == 1
    assert "pip install 'langgraph-transcript[cli]'" in failed.err
    assert "Traceback" not in failed.err
