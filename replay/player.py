"""A recording, run again: the real graph and the real tools, with a scripted model and clock."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph.message import add_messages
from langgraph.types import Command

from graph.agent import build_graph, task_origin
from graph.clock import call_time
from graph.context import Context
from graph.data import NO_TOOL, shown_to_model
from graph.settings import AgentSettings
from storage.checkpointer import TranscriptSaver
from storage.database import Database
from tools.client import TaskTools

from .edits import edit_between, new_among
from .errors import InvalidRecordingError, ReplayError, ThreadNotFoundError
from .history import CLEAR, COPY, is_notice
from .made import executed_at
from .messages import read_messages
from .others import recorded_tools
from .recording import Place, RecordedRow, Recording, Turn
from .rows import read_checkpoints, read_conversation, read_rows
from .scripted import Line, ScriptedClock, ScriptedGate, ScriptedModel, ScriptedModels
from .toolbox import ReplayTools

#: Steps that a run may take which didn't come to its limit when it was recorded.
STEP_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class PlayedTurn:
    """What became of a turn."""

    #: What the run added to the transcript.
    messages: list[BaseMessage]
    #: Whether there was something left to do after it.
    unfinished: bool
    #: What ended the run before its end, where the recorded one went on.
    error: Exception | None = None


@dataclass(slots=True)
class Replayed:
    """What became of a recording. Turns after one that broke off were not played."""

    turns: list[PlayedTurn] = field(default_factory=list)
    title: str | None = None
    leaf: str | None = None
    rows: list[RecordedRow] = field(default_factory=list)


async def replay(recording: Recording, database: Database) -> Replayed:
    """Run a recording again on a migrated database that holds nothing.

    Raises:
        InvalidRecordingError: the recording contradicts itself.
    """
    tools = TaskTools(lambda: database, clock=call_time, origin=task_origin)
    try:
        return await _Player(recording, database, tools).play()
    finally:
        await tools.aclose()


class _Player:
    def __init__(self, recording: Recording, database: Database, tools: TaskTools) -> None:
        self._recording = recording
        self._database = database
        self._tools = ReplayTools(tools, database, recorded_tools(recording))
        self._models = ScriptedModels(ScriptedModel())
        self._clock = ScriptedClock(datetime.now(UTC))
        self._places: dict[tuple[int, int], str] = {}
        self._latest = ""
        self._thread: RunnableConfig = {"configurable": {"thread_id": recording.thread}}
        self._graph: Any = build_graph(
            toolbox=self._tools,
            models=self._models,
            clock=self._clock,
            # A turn without a locale was without one, whatever this machine is told.
            settings=AgentSettings(locale=None),
            gate=ScriptedGate(call_id for turn in recording.turns for call_id in turn.asked),
        ).compile(checkpointer=TranscriptSaver(database.pool))

    async def play(self) -> Replayed:
        replayed = Replayed()
        for number, turn in enumerate(self._recording.turns, start=1):
            try:
                played = await self._play_turn(turn)
            except ReplayError:
                raise
            except Exception as error:  # An edit that can't be made any more, say.
                played = PlayedTurn([], unfinished=False, error=error)
            replayed.turns.append(played)
            if played.error is not None:
                break
            for checkpoint_id, step in await read_checkpoints(
                self._database, self._recording.thread, after=self._latest
            ):
                self._places[number, step] = self._latest = checkpoint_id
        try:
            conversation = await read_conversation(self._database, self._recording.thread)
        except ThreadNotFoundError:
            return replayed  # Not even the first turn could be played.
        replayed.title = conversation.title
        replayed.leaf = conversation.leaf
        replayed.rows = await read_rows(self._database, conversation.id)
        return replayed

    async def _play_turn(self, turn: Turn) -> PlayedTurn:
        config = self._config(turn.start)
        before = _messages_of(await self._graph.aget_state(config))
        sent = None if turn.input is None else read_messages(turn.input)
        if turn.kind == "update":
            values = None if turn.as_node in (COPY, CLEAR) else {"messages": sent or []}
            await self._graph.aupdate_state(config, values, as_node=turn.as_node)
            return PlayedTurn(messages=[], unfinished=False)
        transcript = _merged(before, sent or [])
        await self._prepare(turn, transcript)
        error: Exception | None = None
        try:
            await self._run(turn, config, sent)
        except Exception as caught:  # Whatever it is, the caller is told where it happened.
            error = caught
        state = await self._graph.aget_state(self._thread)
        return PlayedTurn(
            messages=edit_between(transcript, _messages_of(state)),
            unfinished=bool(state.next),
            # A run that broke off breaks off again, where the script ends.
            error=None if turn.unfinished else error,
        )

    async def _run(
        self, turn: Turn, config: RunnableConfig, sent: list[BaseMessage] | None
    ) -> None:
        """The turn's run, and those that its answers begin."""
        inputs: list[Any] = [None if sent is None else {"messages": sent}]
        inputs += [Command(resume={"decisions": answer}) for answer in turn.answers]
        if turn.begins_with_answer:
            del inputs[0]
        for number, given in enumerate(inputs, start=1):
            limit = turn.step_limit if number == len(inputs) else None
            await self._graph.ainvoke(
                given,
                {**config, "recursion_limit": limit or STEP_LIMIT},
                context=Context(time_zone=turn.time_zone, locale=turn.locale),
                durability="sync",
            )
            config = self._thread

    def _config(self, place: Place | None) -> RunnableConfig:
        if place is None:
            return self._thread
        checkpoint_id = self._places.get((place.turn, place.step))
        if checkpoint_id is None:
            raise InvalidRecordingError(
                f"a turn starts from step {place.step} of turn {place.turn}, but that turn has no "
                "such step before it. Export the thread again."
            )
        return {
            "configurable": {
                "thread_id": self._recording.thread,
                "checkpoint_ns": "",
                "checkpoint_id": checkpoint_id,
            }
        }

    async def _prepare(self, turn: Turn, transcript: Sequence[BaseMessage]) -> None:
        recorded = read_messages(turn.messages)
        self._models.model = ScriptedModel(_script(transcript, recorded))
        answers = [
            message
            for message in new_among(recorded, transcript)
            if isinstance(message, ToolMessage)
        ]
        self._clock.time = turn.at
        self._clock.calls = {
            message.tool_call_id: at
            for message in answers
            if (at := executed_at(message)) is not None
        }
        made = {
            message.tool_call_id: message.name or ""
            for message in answers
            if executed_at(message) is not None and not message.additional_kwargs.get(NO_TOOL)
        }
        told = {message.tool_call_id: message for message in answers}
        await self._tools.begin(
            [*transcript, *recorded],
            made,
            turn.order,
            [*turn.elsewhere, *turn.titles],
            {
                other.call: (other.arguments, told[other.call])
                for other in turn.others
                if other.call in told
            },
            turn.copied_from,
        )


def _script(transcript: Sequence[BaseMessage], recorded: Sequence[BaseMessage]) -> list[Line]:
    """The model's answers, each with the conversation that it answers."""
    lines = []
    so_far = list(transcript)
    new = {id(message) for message in new_among(recorded, transcript)}
    for message in recorded:
        if isinstance(message, AIMessage) and not is_notice(message) and id(message) in new:
            lines.append(Line(message, after=shown_to_model(so_far)))
        so_far = _merged(so_far, [message])
    return lines


def _merged(messages: Sequence[BaseMessage], more: Sequence[BaseMessage]) -> list[BaseMessage]:
    left: list[Any] = list(messages)
    right: list[Any] = list(more)
    return list(add_messages(left, right))  # type: ignore[arg-type]


def _messages_of(state: Any) -> list[BaseMessage]:
    return list(state.values.get("messages", []))
