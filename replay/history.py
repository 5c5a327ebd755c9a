"""What happened on a thread, told from its checkpoints. Pure: no I/O.

A checkpoint tells how it came about (its `source`), which one it follows, and what the messages
were. From that follows what was sent to the graph and what the graph added:

    input    a run began with new messages; the step after it has merged them
    loop     a step of a run: the model's answer, or results of tools
    fork     a run went on from an older checkpoint, or a checkpoint was copied
    update   somebody edited the state

With the durability `exit` a run leaves its last checkpoint only, of the source `loop`; what began
it is then what its new messages begin with.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from graph.approval import NODE as APPROVAL
from graph.decisions import Decision
from graph.nodes import NOTICE, OUT_OF_STEPS

from .edits import edit_between, merged, new_among

#: LangGraph's name of the node that merges a run's input.
START = "__start__"
#: `as_node` of an update that only clears what was to be done next.
CLEAR = "__end__"
#: `as_node` of an update that copies a checkpoint.
COPY = "__copy__"


@dataclass(frozen=True, slots=True)
class Step:
    """A checkpoint."""

    id: str
    parent_id: str | None
    source: str
    number: int
    at: datetime
    #: The nodes that were to run after it.
    next: tuple[str, ...]
    messages: Sequence[BaseMessage]
    #: The zone and the locale that the run's context named, where the checkpoint's metadata tells
    #: them.
    time_zone: str | None = None
    locale: str | None = None
    #: The calls that a person was asked about last, by their ids, and what was decided last.
    asked: Sequence[str] = ()
    decisions: Mapping[str, Decision] = field(default_factory=dict)


@dataclass(slots=True)
class Episode:
    """A run of the graph, or an edit of its state: what becomes a turn of the recording."""

    kind: str
    #: The checkpoint it began from; none for the latest.
    start_id: str | None
    #: The messages it began from.
    before: Sequence[BaseMessage]
    #: LangGraph's number of the step that its first checkpoint has, or would have.
    first: int
    #: What was sent or edited; none where a run only goes on.
    input: list[BaseMessage] | None = None
    as_node: str | None = None
    #: What a run added, in order.
    added: list[BaseMessage] = field(default_factory=list)
    step_limit: int | None = None
    #: What a person answered when they were asked about calls: the decisions by the calls' ids, or
    #: none where the answer could not be used.
    answers: list[Mapping[str, Decision] | None] = field(default_factory=list)
    #: Whether the first of the answers is what it began with.
    begins_with_answer: bool = False
    steps: list[Step] = field(default_factory=list)

    @property
    def new(self) -> list[BaseMessage]:
        """What a run added, without messages that it only put in another place."""
        return new_among(self.added, [*self.before, *(self.input or [])])

    @property
    def asked(self) -> list[str]:
        """The ids of the calls that a person was asked about."""
        asked = [
            call_id
            for step in self.steps
            for call_id in (*step.asked, *step.decisions)
            if any(_makes(message, call_id) for message in self.new)
        ]
        return list(dict.fromkeys(asked))

    @property
    def last(self) -> Step:
        """Its last checkpoint."""
        return self.steps[-1]

    @property
    def unfinished(self) -> bool:
        """Whether it is a run with something left to do."""
        return self.kind == "run" and bool(self.last.next)


def episodes_of(steps: Iterable[Step]) -> list[Episode]:
    """What happened, from all checkpoints of a thread, the oldest first."""
    return _Reading().read(steps)


class _Reading:
    def __init__(self) -> None:
        self.episodes: list[Episode] = []
        self.steps: dict[str, Step] = {}
        self.owners: dict[str, Episode] = {}
        self.latest: Step | None = None

    def read(self, steps: Iterable[Step]) -> list[Episode]:
        for step in steps:
            episode = self._episode_of(step)
            episode.steps.append(step)
            self.steps[step.id] = step
            self.owners[step.id] = episode
            self.latest = step
        return _without_stillborn(self.episodes)

    def _episode_of(self, step: Step) -> Episode:
        parent = self.steps.get(step.parent_id or "")
        if parent is None and (step.parent_id is not None or self.latest is not None):
            return self._given(step)
        match step.source:
            case "input":
                return self._begin("run", step, parent)
            case "fork" if parent is not None and step.number == parent.number + 1:
                return self._begin("run", step, parent, start_id=parent.id)
            case "fork":
                return self._copy(step, parent)
            case "update":
                return self._update(step, parent)
            case _:
                return self._go_on(step, parent)

    def _begin(
        self, kind: str, step: Step, parent: Step | None, *, start_id: str | None = None
    ) -> Episode:
        if start_id is None and parent is not None and parent is not self.latest:
            start_id = parent.id
        episode = Episode(
            kind=kind,
            start_id=start_id,
            before=parent.messages if parent else [],
            first=parent.number + 1 if parent else -1,
        )
        self.episodes.append(episode)
        return episode

    def _update(self, step: Step, parent: Step | None) -> Episode:
        episode = self._begin("update", step, parent)
        episode.input = edit_between(episode.before, step.messages)
        episode.as_node = _writer_of(step, episode.input)
        return episode

    def _given(self, step: Step) -> Episode:
        """The checkpoint that it follows is gone, pruned say: take its messages as they are."""
        episode = self._begin("update", step, self.latest)
        episode.input = edit_between(episode.before, step.messages)
        episode.as_node = _writer_of(step, episode.input)
        return episode

    def _copy(self, step: Step, parent: Step | None) -> Episode:
        episode = self._begin("update", step, parent)
        twins = [
            twin.id
            for twin in self.steps.values()
            if twin.parent_id == step.parent_id
            and twin.number == step.number - 1
            and twin.next == step.next
            and list(twin.messages) == list(step.messages)
        ]
        episode.before = step.messages
        episode.as_node = COPY
        episode.start_id = twins[-1] if twins else episode.start_id
        return episode

    def _go_on(self, step: Step, parent: Step | None) -> Episode:
        before = parent.messages if parent else []
        edit = edit_between(before, step.messages)
        sent = _leading_input(new_among(edit, before))
        answers = parent is not None and parent.next == (APPROVAL,) and not sent
        owner = self.owners.get(parent.id) if parent else None
        if (
            owner is not None
            and parent is owner.last
            and owner.kind == "run"
            and parent.next
            and (parent.next == (START,) or not sent)
        ):
            if parent.next == (START,):
                owner.input = edit
                return owner
            episode, added = owner, edit
        else:
            episode = self._begin("run", step, parent)
            episode.input = sent or None
            added = edit_between(merged(before, sent), step.messages)
            episode.begins_with_answer = answers
        if answers:
            asked_again = step.next == (APPROVAL,) and not edit
            episode.answers.append(None if asked_again else step.decisions)
            # The run that the answer began has a limit of its own.
            episode.first = step.number
        episode.added += added
        if any(_is_out_of_steps(message) for message in added):
            episode.step_limit = step.number - episode.first
        return episode


def _without_stillborn(episodes: Sequence[Episode]) -> list[Episode]:
    """Without runs that ended before their input was merged: nothing came of them."""
    kept: list[Episode] = []
    gone: dict[str, str | None] = {}
    returned_to = {episode.start_id for episode in episodes}
    for episode in episodes:
        stillborn = len(episode.steps) == 1 and episode.last.next == (START,)
        if episode.kind == "run" and stillborn and episode.last.id not in returned_to:
            gone[episode.last.id] = episode.start_id
            continue
        parent_id = episode.steps[0].parent_id
        if episode.start_id is None and parent_id in gone:
            episode.start_id = gone[parent_id]
        kept.append(episode)
    return kept


def _writer_of(step: Step, edit: Sequence[BaseMessage]) -> str:
    """A node in whose name an update has the effect that this one had.

    Which one it was is not stored. What the agent's node writes leads to the calls that it asks
    for, if any, and what the tools' node writes leads to the agent.
    """
    if "agent" in step.next:
        return "tools"
    asks = (
        step.messages and isinstance(step.messages[-1], AIMessage) and step.messages[-1].tool_calls
    )
    return CLEAR if asks and not step.next and not edit else "agent"


def _leading_input(edit: Sequence[BaseMessage]) -> list[BaseMessage]:
    """What nobody but a client could have added.

    A run may put answers before it, to calls of before that had none.
    """
    sent: list[BaseMessage] = []
    for message in edit:
        if isinstance(message, AIMessage):
            break
        if not isinstance(message, ToolMessage):
            sent.append(message)
    return sent


def is_notice(message: BaseMessage) -> bool:
    """Whether the agent said it of itself, without asking a model."""
    return isinstance(message, AIMessage) and (message.id or "").startswith(NOTICE)


def _is_out_of_steps(message: BaseMessage) -> bool:
    return is_notice(message) and message.content == OUT_OF_STEPS


def _makes(message: BaseMessage, call_id: str) -> bool:
    return isinstance(message, AIMessage) and any(
        call["id"] == call_id for call in message.tool_calls
    )
