"""Threads of a served graph, talked to through the SDK."""

from typing import Any

from langgraph_sdk.client import LangGraphClient

from tests.server.rows import Rows, until

STEPS = "steps"
NESTED = "nested"
SPOKEN = "spoken"


def saying(text: str) -> dict[str, Any]:
    """A run's input."""
    return {"messages": [{"role": "user", "content": text}]}


class Talk:
    """A thread with one of the graphs of `tests/server/graphs.py`."""

    def __init__(
        self, client: LangGraphClient, rows: Rows, thread_id: str, graph: str = STEPS
    ) -> None:
        self.client = client
        self.rows = rows
        self.thread_id = thread_id
        self.graph = graph

    async def turn(self, text: str, **more: Any) -> None:
        """A run, to its end."""
        await self.client.runs.wait(self.thread_id, self.graph, input=saying(text), **more)

    async def start(self, text: str, **more: Any) -> str:
        """A run that goes on in the background; its id."""
        run = await self.client.runs.create(self.thread_id, self.graph, input=saying(text), **more)
        return run["run_id"]

    async def start_and_reach(self, text: str, **more: Any) -> str:
        """A run that has stored its first step and waits in the second."""
        run_id = await self.start(text, **more)
        await until(lambda: f"begun: {text}" in self.rows.said(self.thread_id))
        return run_id

    async def idle(self) -> None:
        """Wait until no run is left."""

        async def is_idle() -> bool:
            return (await self.client.threads.get(self.thread_id))["status"] != "busy"

        await until(is_idle)

    async def said(self) -> list[str]:
        """The texts that both the state and the rows show."""
        messages = await self.rows.are_the_state(self.client, self.thread_id)
        return [message["content"] for message in messages]

    async def notes(self) -> list[str]:
        """The other channel."""
        values = (await self.client.threads.get_state(self.thread_id))["values"]
        assert isinstance(values, dict)
        notes: list[str] = values.get("notes", [])
        return notes


def turn_of(text: str) -> list[str]:
    """What a complete turn leaves."""
    return [text, f"begun: {text}", f"done: {text}"]


async def new_talk(
    client: LangGraphClient, rows: Rows, first: str | None = "one", graph: str = STEPS
) -> Talk:
    """A new thread, with one turn unless `first` is none."""
    thread = await client.threads.create(graph_id=graph)
    talk = Talk(client, rows, thread["thread_id"], graph)
    if first is not None:
        await talk.turn(first)
    return talk
