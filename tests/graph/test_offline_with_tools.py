"""The offline model over the real task tools, on a real database."""

from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage
from mcp import ClientSession
from mcp.shared.memory import create_connected_server_and_client_session as connected
from mcp.types import TextContent

from graph.offline import OfflineModel
from storage.database import Database
from tests.graph.offline_support import result, schemas
from tools.server import create_server

META = {"task-agent/user": "ann", "task-agent/now": "2026-11-22T08:00:00+00:00"}


async def talk(session: ClientSession, messages: list[BaseMessage], text: str) -> str:
    """Say something to the model, run the tools that it calls, and return its answer."""
    model = OfflineModel().bind_tools(schemas([t.name for t in (await session.list_tools()).tools]))
    messages.append(HumanMessage(text))
    while True:
        said = await model.ainvoke(messages)
        messages.append(said)
        if not said.tool_calls:
            return said.text
        for call in said.tool_calls:
            done = await session.call_tool(call["name"], call["args"], meta=_meta(call["id"]))
            [content] = done.content
            assert isinstance(content, TextContent)
            messages.append(result(call, content.text, error=done.isError))


def _meta(key: str | None) -> dict[str, Any]:
    return {**META, "task-agent/idempotency-key": key}


async def test_a_conversation_about_tasks_does_what_it_says(database: Database) -> None:
    messages: list[BaseMessage] = []
    async with connected(create_server(lambda: database)) as session:

        async def say(text: str) -> str:
            return await talk(session, messages, text)

        assert (await say("Add a task to buy milk tomorrow at 9, high priority")).endswith(
            'Added #1 "buy milk", due Mon 23 Nov 2026, 09:00, high priority.'
        )
        assert await say("remind me to call the dentist on friday, note: ask for Bo") == (
            'Added #2 "call the dentist", due Fri 27 Nov 2026, note: "ask for Bo".'
        )
        assert await say("add a note to the dentist one: bring the card") == (
            'Updated #2 "call the dentist", due Fri 27 Nov 2026, note: "ask for Bo bring the card".'
        )
        assert await say("What's on my list?") == (
            "You have 2 open tasks:\n"
            "- #1 buy milk, due Mon 23 Nov 2026, 09:00, high priority\n"
            "- #2 call the dentist, due Fri 27 Nov 2026, "
            'note: "ask for Bo bring the card"'
        )
        assert await say("Done with the milk") == 'Completed #1 "buy milk".'
        assert (await say("done with 1")).startswith('Nothing changed: #1 "buy milk".')
        assert await say("move 2 to next friday at 10 and make it high priority") == (
            'Rescheduled #2 "call the dentist", due Fri 27 Nov 2026, 10:00, '
            'note: "ask for Bo bring the card".\n'
            'Updated #2 "call the dentist", due Fri 27 Nov 2026, 10:00, high priority, '
            'note: "ask for Bo bring the card".'
        )
        assert (await say("2 has no due date")).startswith(
            'Rescheduled #2 "call the dentist", no longer due, high priority'
        )
        assert "was not understood" in await say("move 2 to someday soon")
        assert await say("delete the dentist one") == 'Deleted #2 "call the dentist".'
        assert await say("delete the dentist one") == (
            'No task "dentist" is on the list, so nothing was changed. There are no open tasks.'
        )
        assert await say("what's on my list?") == "You have no open tasks."
        assert await say("what's done?") == (
            "You have 1 completed task:\n- #1 buy milk, done Sun 22 Nov 2026, 08:00, "
            "due Mon 23 Nov 2026, 09:00, high priority"
        )


async def test_a_number_answers_the_question_which_task_is_meant(database: Database) -> None:
    messages: list[BaseMessage] = []
    async with connected(create_server(lambda: database)) as session:

        async def say(text: str) -> str:
            return await talk(session, messages, text)

        await say("add call the dentist on friday at 3pm")
        await say("add pay the dentist on friday at 4pm")
        assert await say("move the dentist to monday") == (
            '"dentist" may mean 2 tasks: #1 "call the dentist", #2 "pay the dentist". '
            "Nothing was changed. Which one? Give its number."
        )
        assert await say("2") == ('Rescheduled #2 "pay the dentist", due Mon 23 Nov 2026, 16:00.')
        assert "Which one?" in await say("delete the dentist one")
        assert await say("#9") == (
            "No task #9 is on the list, so nothing was changed. The open tasks are "
            '#1 "call the dentist", #2 "pay the dentist".'
        )
        assert "did not understand" in await say("1")


async def test_what_repeats_comes_back_and_what_was_done_can_be_undone(database: Database) -> None:
    messages: list[BaseMessage] = []
    async with connected(create_server(lambda: database)) as session:

        async def say(text: str) -> str:
            return await talk(session, messages, text)

        assert (await say("add water the plants every monday at 9 #home #green")).endswith(
            'Added #1 "water the plants", due Mon 23 Nov 2026, 09:00, '
            "repeats every Monday at 09:00, #home #green."
        )
        assert await say("done with the plants") == (
            'Completed #1 "water the plants". The next one is #2 "water the plants", '
            "due Mon 30 Nov 2026, 09:00, repeats every Monday at 09:00, #home #green."
        )
        assert await say("undo that") == (
            'Undone:\nDeleted #2 "water the plants".\n'
            'Restored #1 "water the plants", due Mon 23 Nov 2026, 09:00, '
            "repeats every Monday at 09:00, #home #green."
        )
        await say("add milk and eggs 2026-11-20. Add pay the rent tomorrow, urgent")
        assert (await say("what's overdue?")).startswith("You have 1 overdue task:\n- #3 ")
        assert await say("what's due tomorrow?") == (
            "You have 2 open tasks due tomorrow:\n"
            "- #1 water the plants, due Mon 23 Nov 2026, 09:00, repeats every Monday at 09:00, "
            "#home #green\n"
            "- #4 pay the rent, due Mon 23 Nov 2026, urgent priority"
        )
        assert (await say("show my #green tasks")).startswith("You have 1 open task #green:")
        assert await say("complete 3 and 4") == (
            'Completed #3 "milk and eggs".\nCompleted #4 "pay the rent".'
        )
        assert (await say("reopen the rent")).startswith('Reopened #4 "pay the rent", due ')
        assert (await say("show me task 4")).startswith('#4 "pay the rent", due Mon 23 Nov 2026')
