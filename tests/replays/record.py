"""Makes the recordings of this folder again: real runs of the real graph, exported.

    python -m tests.replays.record [NAME ...]

The offline model answers where it can; where a recording is about what a model does wrong, or does
at once, a script answers. Ids of calls, and the times at which turns began, come out anew each
time, so make one again only when it has to change, and read the difference.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langgraph.types import Command

from graph.offline import OfflineModel
from migrations.run import migrate
from replay.commands import export, temporary_database
from storage.database import connect, database_uri
from tests.replay.support import Talk, adds, calls, says, talking
from tests.tools.others import stdio_entry, write_config
from tools.client.config import read_config

FOLDER = Path(__file__).parent


async def add_a_task(talk: Talk) -> None:
    """The shortest conversation there is."""
    await _offline(talk, "Add a task to buy milk tomorrow at 9, high priority")


async def add_list_complete(talk: Talk) -> None:
    """A whole conversation, with everything that can be done with tasks."""
    await _offline(
        talk,
        "Hello",
        "Add a task to buy milk tomorrow at 9, high priority",
        "Remind me to call the dentist on friday at 14:30",
        "add water the plants",
        "What's on my list?",
        "move 3 to friday",
        "Done with the milk",
        "delete the dentist one",
        "undo that",
        "add stretch every monday at 9 and add pay the rent tomorrow #home",
        "done with the stretch one",
        "reopen the milk",
        "What's on my list?",
        "what's due this week?",
        "what's done?",
    )


async def two_calls_at_once(talk: Talk) -> None:
    """Calls of one step, answered by a model that speaks while it calls and counts its tokens."""
    both = adds("Buy milk", "Buy bread", due="tomorrow")
    await talk.say(
        "Add milk and bread, both for tomorrow",
        AIMessage(
            "I add both.",
            id="chatcmpl-1",
            tool_calls=both.tool_calls,
            response_metadata={"finish_reason": "tool_calls", "model_name": "gpt-4.1-mini"},
            usage_metadata=UsageMetadata(input_tokens=812, output_tokens=48, total_tokens=860),
        ),
        says("#1 “Buy milk” and #2 “Buy bread” are due tomorrow."),
    )
    await talk.say(
        "I have the milk. What is left?",
        calls(("complete_tasks", {"tasks": ["milk"]}), ("find_tasks", {})),
        says("Only #2 “Buy bread” is left."),
    )


async def failing_tools(talk: Talk) -> None:
    """A task that could be two, and one that there isn't."""
    await _offline(
        talk,
        "add call the dentist",
        "add pay the dentist",
        "done with the dentist",
        "done with 2",
        "delete the unicorn",
    )


async def fork_from_an_old_checkpoint(talk: Talk) -> None:
    """Going back to before a turn and saying something else; the first branch stays."""
    answered = await talk.say("add buy milk", model=OfflineModel())
    await _offline(talk, "add buy bread", "What's on my list?")
    old = await talk.checkpoint(str(answered[-1].text))
    await talk.say("add buy eggs", model=OfflineModel(), at=old)
    await _offline(talk, "What's on my list?")


async def edited_message(talk: Talk) -> None:
    """A message changed before it was answered, on a branch of its own, and one long after."""
    first = HumanMessage("add buy milk", id="first")
    await talk.say([first], model=OfflineModel())
    unanswered = await talk.checkpoint("add buy milk")
    await talk.edit(
        HumanMessage("add buy oat milk", id="first"), as_node="__start__", at=unanswered
    )
    await talk.say(None, model=OfflineModel())
    await _offline(talk, "What's on my list?")
    await talk.edit(HumanMessage("add buy oat milk, please", id="first"), as_node="agent")
    await _offline(talk, "Thanks")


async def arguments_cut_off(talk: Talk) -> None:
    """A tool call whose arguments end in the middle is not made but sent back to the model."""
    cut_off = AIMessage(
        "",
        id="chatcmpl-1",
        invalid_tool_calls=[
            {
                "type": "invalid_tool_call",
                "id": "call_cut_off",
                "name": "add_tasks",
                "args": '{"tasks": [{"title": "Buy milk and',
                "error": None,
            }
        ],
        response_metadata={"finish_reason": "length", "model_name": "gpt-4.1-mini"},
    )
    await talk.say(
        "Add milk and bread as one task",
        cut_off,
        adds("Buy milk and bread"),
        says("Added #1 “Buy milk and bread”."),
    )


async def tasks_of_another_conversation(talk: Talk) -> None:
    """Tasks that were there before, one that was done elsewhere in the meantime, and the ledger."""
    other = "another-conversation"
    for text in ("add water the plants", "add buy stamps", "delete 2"):
        await talk.say(text, model=OfflineModel(), thread=other)
    await _offline(talk, "add buy milk", "What's on my list?")
    await talk.say("done with the plants", model=OfflineModel(), thread=other)
    await _offline(talk, "What's on my list?")
    await talk.say(
        "Who changed the plants, and what else was done?",
        calls(("find_activity", {"task": "1"}), ("find_activity", {})),
        says("All of it was you, in two conversations."),
    )


async def broken_off_runs(talk: Talk) -> None:
    """A model that fails in mid-run: once it is gone on with, once it is not."""
    for answers in ((adds("Buy milk"), RuntimeError("overloaded")), (RuntimeError("again"),)):
        try:
            await talk.say("Add milk" if len(answers) > 1 else None, *answers)
        except RuntimeError:
            continue
    await talk.say(None, says("Added #1 “Buy milk”."))
    try:
        await talk.say("Add bread", adds("Buy bread"), RuntimeError("overloaded"))
    except RuntimeError:
        await talk.say("What is on my list?", calls(("find_tasks", {})), says("Milk and bread."))


async def tools_of_another_server(talk: Talk) -> None:
    """Tools of another MCP server beside our own: answered, failed, edited, rejected."""
    await talk.say(
        "Look at the shelf, and note that it has to be painted",
        calls(
            ("look", {"text": "the shelf"}),
            ("add_tasks", {"tasks": [{"title": "Paint the shelf"}]}),
            ("other_find_tasks", {}),
        ),
        says("The shelf is there, and #1 “Paint the shelf” is on your list."),
    )
    both = calls(("put", {"text": "a vase on it"}), ("paint", {"text": "the shelf"}))
    await talk.say("Put a vase on it and paint it", both, approval="writes")
    decisions = [
        {"type": "edit", "edited_action": {"name": "put", "args": {"text": "a book on it"}}},
        {"type": "reject", "message": "I do that myself"},
    ]
    await talk.say(
        None,
        says("There is a book on it now, and the painting is left to you."),
        given=Command(resume={"decisions": decisions}),
    )
    await talk.say("Try the other one", calls(("fail", {})), says("It says that it is Monday."))


CONVERSATIONS: tuple[Callable[[Talk], Awaitable[None]], ...] = (
    add_a_task,
    add_list_complete,
    two_calls_at_once,
    failing_tools,
    fork_from_an_old_checkpoint,
    edited_message,
    arguments_cut_off,
    tasks_of_another_conversation,
    broken_off_runs,
    tools_of_another_server,
)


async def _offline(talk: Talk, *texts: str) -> None:
    for text in texts:
        await talk.say(text, model=OfflineModel())


async def record(uri: str, hold: Callable[[Talk], Awaitable[None]]) -> None:
    """Hold a conversation on a database of its own, and write its recording."""
    with TemporaryDirectory() as directory:
        other = write_config(Path(directory), other=stdio_entry(Path(directory)))
        servers = read_config(other) if hold is tools_of_another_server else ()
        async with temporary_database(uri) as temporary:
            await asyncio.to_thread(migrate, temporary)
            async with connect(temporary) as database, talking(database, servers) as talk:
                await hold(talk)
                text = await export(database, "thread")
    (FOLDER / f"{hold.__name__}.json").write_text(text, encoding="utf-8")


def main(names: list[str]) -> None:
    """Make the recordings of these names; all of them when none is given."""
    with database_uri() as uri:
        for hold in CONVERSATIONS:
            if not names or hold.__name__ in names:
                asyncio.run(record(uri, hold))


if __name__ == "__main__":
    main(sys.argv[1:])
