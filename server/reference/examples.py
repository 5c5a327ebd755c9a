"""Example calls, and what the server answers to them: really, one after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp import ClientSession
from mcp.types import CallToolResult
from pydantic import BaseModel, ConfigDict, TypeAdapter

from tools.context import META_KEY, META_NOW, META_THREAD, META_TIME_ZONE, META_TURN, META_USER

FILE = Path(__file__).with_name("examples.json")

#: Who calls, and when: always the same Monday, so that the answers are always the same.
META = {
    META_USER: "ada",
    META_TIME_ZONE: "Europe/Vienna",
    META_NOW: "2026-11-23T10:00:00+01:00",
    META_THREAD: "conversation-1",
}


class Example(BaseModel):
    """A call."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: What it shows: a sentence.
    says: str
    tool: str
    arguments: Mapping[str, Any] = {}
    #: Whether all of it fails.
    fails: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """A call, and what came of it."""

    example: Example
    result: CallToolResult


class ExampleError(Exception):
    """A call didn't come out as the example says."""


def read_examples() -> Sequence[Example]:
    """The calls, in the order in which they are made: each finds what those before it have left."""
    return TypeAdapter(list[Example]).validate_json(FILE.read_text(encoding="utf-8"))


async def run(session: ClientSession, examples: Sequence[Example]) -> Sequence[Answered]:
    """Make the calls, each in a turn of its own, for a user who has nothing yet.

    Raises:
        ExampleError: one failed that shouldn't, or the other way round.
    """
    answered = []
    for number, example in enumerate(examples, start=1):
        meta = META | {META_KEY: f"call-{number}", META_TURN: f"turn-{number}"}
        result = await session.call_tool(example.tool, dict(example.arguments), meta=meta)
        if bool(result.isError) != example.fails:
            raise ExampleError(
                f"example {number} in {FILE.name}, a call of {example.tool}, "
                f"{'failed' if result.isError else 'did not fail'}: {result.content}"
            )
        answered.append(Answered(example, result))
    return answered
