"""An MCP server that does not do as it should costs its own tools, or a call, and nothing else."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_openai import ChatOpenAI

from tests.cli.support import task_agent
from tests.tools.others import ROOT, agent_tools, call, calls, eventually, names, write_config
from tools.client import AgentTools
from tools.client.toolbox import SERVER

OBJECT: dict[str, Any] = {"type": "object", "properties": {}}


def tool(name: str, schema: Any = OBJECT, **hints: bool) -> dict[str, Any]:
    return {"name": name, "description": "Something.", "inputSchema": schema, "annotations": hints}


def entry(directory: Path) -> dict[str, Any]:
    program = ROOT / "tests" / "tools" / "bare_server.py"
    return {"command": sys.executable, "args": [str(program), str(directory)]}


def answers(directory: Path, *tools: Any, **more: Any) -> None:
    """What the server answers from now on."""
    told = {"tools/list": {"tools": tools}} | {f"tools/{key}": more[key] for key in more}
    (directory / "answers.json").write_text(json.dumps(told))


@asynccontextmanager
async def asking(directory: Path) -> AsyncIterator[AgentTools]:
    async with agent_tools(directory, bare=entry(directory)) as tools:
        yield tools


WRONG_TOOLS: list[tuple[str, Any, str]] = [
    ("", OBJECT, "no name"),
    ("good", OBJECT, "another one of that name"),
    ("empty", {}, "not that of an object"),
    ("text", {"type": "string"}, "not that of an object"),
    ("any", {"anyOf": [OBJECT]}, "not that of an object"),
    ("listed", {"type": "object", "properties": []}, "not that of an object"),
    ("number", {"type": "object", "properties": {"a": 3}}, "not that of an object"),
    ("required", OBJECT | {"required": "a"}, "not that of an object"),
    ("nowhere", {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}}, "can't be read"),
    ("afar", {"type": "object", "properties": {"a": {"$ref": "http://a/b"}}}, "can't be read"),
]


async def test_tools_that_a_model_cannot_be_offered_are_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = [tool(name, schema) for name, schema, _ in WRONG_TOOLS]
    answers(tmp_path, tool("good"), *wrong)
    async with asking(tmp_path) as tools:
        found = await tools.tools()
        others = [each.name for each in found if SERVER in (each.metadata or {})]
        assert others == ["good"]
        # Which raises where it can't read one.
        ChatOpenAI(model="x", api_key="x").bind_tools(found)
        left_out = tools.servers[0].left_out
    assert left_out.keys() == {name for name, *_ in WRONG_TOOLS}
    for name, _, why in WRONG_TOOLS:
        assert why in left_out[name]
        assert f"{name!r} of the MCP server 'bare': {left_out[name]}" in caplog.text


def test_doctor_tells_of_tools_that_are_left_out(database_url: str, tmp_path: Path) -> None:
    answers(tmp_path, tool("bad", {"type": "string"}))
    config = str(write_config(tmp_path, bare=entry(tmp_path)))
    told = task_agent("doctor", DATABASE_URL=database_url, TASK_AGENT_MCP_CONFIG=config)
    assert told.code == 0
    assert "its tool 'bad' is left out" in told.out


@pytest.mark.parametrize(
    ("hints", "words"), [({}, "not known whether"), ({"readOnlyHint": True}, "only reads")]
)
async def test_an_answer_to_a_call_that_is_none_leaves_it_open_what_was_done(
    tmp_path: Path, hints: dict[str, bool], words: str
) -> None:
    answers(tmp_path, tool("put", **hints), call={"content": "what a day"})
    async with asking(tmp_path) as tools:
        answer = await call(tools, "put")
        assert answer.status == "error"
        assert "'bare'" in answer.text
        assert words in answer.text
        assert calls(tmp_path) == ["put"]
        # The session is still good.
        answers(tmp_path, tool("put"), call={"content": [{"type": "text", "text": "put"}]})
        assert (await call(tools, "put")).text == "put"


async def test_a_list_of_tools_that_is_none_leaves_those_that_are_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.client.other.FIRST_PAUSE", 0.01)
    answers(tmp_path, tool("put"))
    async with asking(tmp_path) as tools:
        assert "put" in await names(tools)
        (server,) = tools.servers
        answers(tmp_path, "nonsense")
        await call(tools, "put")
        await eventually(lambda: says(tools, "ListToolsResult"))
        assert "put" in await names(tools)
        answers(tmp_path, tool("put"), tool("take"))
        await eventually(lambda: has(tools, "take"))
        assert server.problem is None
    assert "never retrieved" not in caplog.text


async def has(tools: AgentTools, name: str) -> bool:
    return name in await names(tools)


async def says(tools: AgentTools, words: str) -> bool:
    await tools.tools()
    return words in str(tools.servers[0].problem)
