"""The wheel in an environment of its own, beside plain LangGraph, as another project has it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph_sdk.schema import ThreadState
from psycopg.rows import dict_row

from tests.server.support import langgraph_serving
from tests.storage.migration_support import fetch
from tests.storage.support import ACTIVE_BRANCH
from tests.wheel.support import EXAMPLE, Environment

pytestmark = pytest.mark.timeout(900)

#: Imports every module of the wheel but the command's as if that could not be run, and prints the
#: distributions that are there, and those that the wheel needs without the command.
IMPORT_ALL = """
import importlib, importlib.metadata, pkgutil, sys
from packaging.requirements import Requirement

sys.modules["typer"] = sys.modules["rich"] = None
import langgraph_transcript
for name in langgraph_transcript.__all__:
    assert getattr(langgraph_transcript, name).__module__.startswith("langgraph_transcript.")
for module in pkgutil.walk_packages(langgraph_transcript.__path__, "langgraph_transcript."):
    if not module.name.startswith("langgraph_transcript.commands"):
        importlib.import_module(module.name)

needed = set()

def need(name, extras):
    if (name, extras) in needed:
        return
    needed.add((name, extras))
    for requirement in map(Requirement, importlib.metadata.requires(name) or ()):
        if any(
            requirement.marker is None or requirement.marker.evaluate({"extra": extra})
            for extra in extras
        ):
            need(requirement.name, ("", *sorted(requirement.extras)))

need("langgraph-transcript", ("",))
print(langgraph_transcript.__file__)
print(*(found.name for found in importlib.metadata.distributions()))
print(*sorted({name for name, _ in needed}))
"""

GRAPH = """
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph


def reply(state: MessagesState) -> dict[str, list[AIMessage]]:
    return {"messages": [AIMessage(f"You said: {state['messages'][-1].text}")]}


graph = StateGraph(MessagesState).add_node(reply).add_edge(START, "reply").compile()
"""

OWN_CHECKPOINTER = """
import os
from contextlib import asynccontextmanager

from langgraph_transcript import open_saver


@asynccontextmanager
async def open_checkpointer():
    async with open_saver(os.environ["CHAT_DATABASE"], owner=lambda config: "ada") as saver:
        await saver.setup()
        yield saver
"""


def test_it_imports_by_itself_and_brings_nothing_heavy(environment: Environment) -> None:
    file, distributions, needed = environment.run("-c", IMPORT_ALL).splitlines()
    assert Path(file).is_relative_to(environment.folder)
    unwanted = {"sqlalchemy", "SQLAlchemy", "sqlmodel", "alembic", "pydantic-settings"}
    assert not set(distributions.split()) & unwanted
    assert "langgraph-transcript" in distributions.split()
    assert {"langchain-core", "psycopg", "tenacity"} <= set(needed.split())
    assert not {"typer", "rich", "click"} & set(needed.split())


def test_the_documented_example_leaves_its_messages_as_rows(
    environment: Environment, empty_database_url: str
) -> None:
    for turn in (1, 2):
        printed = environment.run("-I", str(EXAMPLE), DATABASE_URL=empty_database_url)
        assert printed.count("Human Message") == turn
        assert printed.count("You said: Hello") == turn
    rows = fetch(
        empty_database_url,
        "SELECT u.subject, c.title, m.role, m.content"
        " FROM messages m JOIN conversations c ON c.id = m.conversation_id"
        " JOIN users u ON u.id = c.user_id WHERE c.thread_id = '1' ORDER BY m.created_at",
    )
    said = [("ada", "Hello", "user", "Hello"), ("ada", "Hello", "assistant", "You said: Hello")]
    assert rows == said * 2


def test_the_documented_example_passes_a_strict_type_checker(environment: Environment) -> None:
    process = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--config-file", ""),
            *("--python-executable", environment.python, str(EXAMPLE)),
        ],
        # Away from the checkout, whose packages and configuration would be found.
        cwd=environment.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout


async def test_a_langgraph_dev_that_names_it_keeps_its_threads_over_a_restart(
    environment: Environment, empty_database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "chat.py").write_text(GRAPH)
    (tmp_path / "checkpointing.py").write_text(OWN_CHECKPOINTER)

    config = langgraph_json(tmp_path, "langgraph_transcript.serving.open_checkpointer")
    url = {"TRANSCRIPT_DATABASE_URL": empty_database_url}
    with langgraph_serving(environment.python, config, tmp_path, url) as served:
        async with served.connect() as client:
            thread_id = (await client.threads.create())["thread_id"]
            await client.runs.wait(thread_id, "chat", input=say("one"))
            before = await client.threads.get_state(thread_id)
        served.stop()
    assert rows(empty_database_url, thread_id) == messages(before)

    config = langgraph_json(tmp_path, "checkpointing.open_checkpointer")
    url = {"CHAT_DATABASE": empty_database_url}
    with langgraph_serving(environment.python, config, tmp_path, url) as served:
        async with served.connect() as client:
            assert messages(await client.threads.get_state(thread_id)) == messages(before)
            await client.runs.wait(thread_id, "chat", input=say("two"))
            after = await client.threads.get_state(thread_id)
            other_id = (await client.threads.create())["thread_id"]
            await client.runs.wait(other_id, "chat", input=say("three"))
            other = await client.threads.get_state(other_id)
        served.stop()
    assert [text for _, _, text in messages(after)] == [
        *("one", "You said: one", "two", "You said: two")
    ]
    assert rows(empty_database_url, thread_id) == messages(after)
    assert rows(empty_database_url, other_id) == messages(other)
    owners = fetch(
        empty_database_url,
        "SELECT thread_id, subject FROM conversations c JOIN users u ON u.id = c.user_id",
    )
    assert dict(owners) == {thread_id: "local", other_id: "ada"}


def langgraph_json(folder: Path, checkpointer: str) -> Path:
    """A configuration that names this checkpointer."""
    file = folder / "langgraph.json"
    config = {
        "dependencies": ["."],
        "graphs": {"chat": "chat:graph"},
        "checkpointer": {"path": checkpointer},
    }
    file.write_text(json.dumps(config))
    return file


def say(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def messages(state: ThreadState) -> list[tuple[str, str, str]]:
    """Id, type and text of each message that the server shows."""
    values = cast(dict[str, Any], state["values"])
    return [(one["id"], one["type"], one["content"]) for one in values["messages"]]


def rows(url: str, thread_id: str) -> list[tuple[str, str, str]]:
    """The same of the active branch, from the stored payloads."""
    serde = JsonPlusSerializer()
    with psycopg.connect(url, row_factory=dict_row) as connection:
        branch = connection.execute(ACTIVE_BRANCH, (thread_id,)).fetchall()
    stored = [serde.loads_typed((row["payload_type"], row["payload"])) for row in branch]
    assert [row["content"] for row in branch] == [message.text for message in stored]
    return [(message.id, message.type, message.content) for message in stored]
