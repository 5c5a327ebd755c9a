"""A stored conversation as a recording: from its checkpoints, its rows and the ledger of tasks."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby

from langchain_core.messages import ToolMessage

from graph.agent import build_graph
from graph.nodes import LOCALE, TIME_ZONE
from storage.checkpointer import TranscriptSaver
from storage.database import Database
from tools.client import TaskTools

from .elsewhere import changes_elsewhere
from .history import Episode, Step, episodes_of
from .ledger import Call
from .made import made_calls
from .messages import write_messages
from .order import order_of
from .others import is_other, other_tools
from .recording import OtherCall, Place, Recording, Turn
from .rows import read_conversation, read_ledger, read_reached_rows
from .scripted import ScriptedModel, ScriptedModels
from .titles import titles_elsewhere


async def export_thread(database: Database, thread_id: str) -> Recording:
    """Everything that has to be known to run a conversation again.

    Rows that no checkpoint leads to any more, those of a run that was rolled back, are left out;
    changes that such a run made to tasks are not.

    Raises:
        ThreadNotFoundError: nothing is stored of the thread.
    """
    conversation = await read_conversation(database, thread_id)
    tools = TaskTools(lambda: database)
    try:
        names = [tool.name for tool in await tools.tools()]
        steps = await _read_steps(database, tools, thread_id)
    finally:
        await tools.aclose()
    entries = await read_ledger(database, conversation.user_id)
    rows = await read_reached_rows(database, conversation.id, thread_id)

    episodes = episodes_of(steps)
    made = [made_calls(episode) for episode in episodes]
    calls = [[one.to_ledger(thread_id) for one in some if one.tool in names] for some in made]
    # What the ledger knows was a task tool's, also if there is no such tool any more.
    keys = {entry.key for entry in entries}
    others = [
        [one for one in some if is_other(one, names) and one.to_ledger(thread_id).key not in keys]
        for some in made
    ]
    flat = [call for some in calls for call in some]
    changes, titles = changes_elsewhere(flat, entries), titles_elsewhere(flat)
    places = _places(episodes)
    turns = [_turn(episode, places) for episode in episodes]
    for turn, some, answered in zip(turns, calls, others, strict=True):
        turn.elsewhere = [change for call in some for change in changes[call]]
        turn.titles = [title for call in some for title in titles[call]]
        turn.order = _order(some)
        turn.copied_from = {
            call.id: event.thread
            for call in some
            for event in call.events[:1]
            if event.thread not in (None, thread_id)
        }
        turn.others = [
            OtherCall(call=one.id, tool=one.tool, arguments=one.arguments) for one in answered
        ]
    return Recording(
        thread=thread_id,
        title=conversation.title,
        other_tools=other_tools(episodes, others, names),
        turns=turns,
        leaf=conversation.leaf,
        rows=rows,
    )


async def _read_steps(database: Database, tools: TaskTools, thread_id: str) -> list[Step]:
    """The thread's checkpoints, the oldest first."""
    # The graph says which nodes were to run next; it is not run.
    graph = build_graph(toolbox=tools, models=ScriptedModels(ScriptedModel()))
    compiled = graph.compile(checkpointer=TranscriptSaver(database.pool))
    steps = []
    async for state in compiled.aget_state_history({"configurable": {"thread_id": thread_id}}):
        metadata = state.metadata or {}
        parent = state.parent_config
        steps.append(
            Step(
                id=state.config["configurable"]["checkpoint_id"],
                parent_id=parent["configurable"]["checkpoint_id"] if parent else None,
                source=metadata.get("source", "loop"),
                number=metadata.get("step", -1),
                at=datetime.fromisoformat(state.created_at or ""),
                next=state.next,
                messages=state.values.get("messages", []),
                time_zone=_text(metadata.get("time_zone")),
                locale=_text(metadata.get("locale")),
                asked=state.values.get("asked", ()),
                decisions=state.values.get("decisions", {}),
            )
        )
    return sorted(steps, key=lambda step: step.id)


def _turn(episode: Episode, places: dict[str, Place]) -> Turn:
    zone, locale = _whereabouts(episode)
    return Turn(
        kind="run" if episode.kind == "run" else "update",
        start=places[episode.start_id] if episode.start_id else None,
        at=episode.steps[0].at,
        time_zone=zone,
        locale=locale,
        input=None if episode.input is None else write_messages(episode.input),
        as_node=episode.as_node,
        messages=write_messages(episode.added),
        asked=episode.asked,
        answers=[None if answer is None else list(answer.values()) for answer in episode.answers],
        begins_with_answer=episode.begins_with_answer,
        step_limit=episode.step_limit,
        unfinished=episode.unfinished,
    )


def _whereabouts(episode: Episode) -> tuple[str | None, str | None]:
    """The zone and the locale of a run."""
    for message in episode.new:
        if isinstance(message, ToolMessage):
            said = message.additional_kwargs
            if (zone := _text(said.get(TIME_ZONE))) is not None:
                return zone, _text(said.get(LOCALE))
    return (
        next((step.time_zone for step in episode.steps if step.time_zone), None),
        next((step.locale for step in episode.steps if step.locale), None),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _order(calls: Sequence[Call]) -> list[str]:
    order: list[str] = []
    for _, step in groupby(calls, key=lambda call: call.step):
        written = list(step)
        took_effect = order_of(written)
        if took_effect != [call.id for call in written]:
            order += took_effect
    return order


def _places(episodes: Iterable[Episode]) -> dict[str, Place]:
    return {
        step.id: Place(turn=turn, step=step.number)
        for turn, episode in enumerate(episodes, start=1)
        for step in episode.steps
    }
