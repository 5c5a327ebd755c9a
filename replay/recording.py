"""The file that a conversation is exported to, and replayed from.

A recording is JSON, written to be read and compared by people:

    format      2
    thread      LangGraph's id of the thread; the names of its tool calls are made with it
    title       the conversation's title
    other_tools tools beside the task tools; their calls are answered from the recording
    turns       what happened, in the order in which it happened; see `Turn`
    leaf        the digest of the active branch's last message
    rows        the rows of `messages`, every branch, parents before children; see `RecordedRow`

Messages have the form that `replay.messages` describes. A digest covers a message and all before
it, so equal digests are equal transcripts.

A recording holds all that was said, and the tasks that its tools could see, those of the user's
other conversations too, with their titles where a tool showed them. Of tools of other servers it
holds what they answered. No key, no user's name and no setting of the server is in it.
"""

import json
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from graph.decisions import Decision

from .errors import InvalidRecordingError
from .messages import Form

FORMAT: Literal[2] = 2


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Place(_Part):
    """A checkpoint: the one with this step number among those that a turn wrote."""

    #: The turn's place in the recording; the first is 1.
    turn: int
    #: LangGraph's number of the step, `metadata.step` of the checkpoint.
    step: int


class Change(_Part):
    """A change to the user's tasks and lists that was there when a tool was called, without a call
    of this conversation having made it: another conversation did, or a call whose result was lost.
    Of a lost call that changed nothing, only the answer."""

    #: The tool call before which it happened.
    before: str
    at: datetime
    #: The tool that made it; empty where that is not known any more.
    tool: str
    #: What was done: added, updated, completed, deleted …; none where nothing was.
    action: str | None = None
    #: Which of the call's items did it.
    item: int = 1
    #: The task's number; none where a list was changed.
    number: int | None = None
    #: The name of the list that the task is in; of a list that was changed, its name before.
    list: str | None = None
    #: The number of the task that it is a part of.
    parent: int | None = None
    #: The task or list after the change, as `task_events` keeps it; none when it was deleted.
    row: dict[str, Any] | None = None
    #: Where it stands in the ledger; only where a tool call of this conversation asks for that.
    turn: str | None = None
    thread: str | None = None
    message: str | None = None
    undoes: str | None = None
    #: For a call of this conversation: its idempotency key, and what the tool answered.
    key: str | None = None
    result: dict[str, Any] | None = None


class Title(_Part):
    """What another conversation of the user was called when a tool call showed its title."""

    #: The tool call.
    before: str
    thread: str
    #: None where it was shown without one: it had been deleted, say.
    title: str | None = None


class OtherTool(_Part):
    """A tool of another server than the task server."""

    name: str
    #: Whether it was known to change nothing, where an answer of the agent depends on that.
    only_reads: bool = False


class OtherCall(_Part):
    """A call of such a tool. Its answer is among the turn's messages."""

    call: str
    tool: str
    #: What it was made with, after a person's edit if there was one.
    arguments: dict[str, Any]


class Turn(_Part):
    """A run of the graph, or an edit of its state by `update_state`."""

    kind: Literal["run", "update"]
    #: The checkpoint it starts from; none for the thread's latest.
    start: Place | None = None
    at: datetime
    #: The zone and the locale of the run's context.
    time_zone: str | None = None
    locale: str | None = None
    #: What was sent or edited, to be merged into the messages; none where a run only goes on.
    input: list[Form] | None = None
    #: For an update: the node in whose name it was made.
    as_node: str | None = None
    #: Changes that the tools of this turn found made.
    elsewhere: list[Change] = Field(default_factory=list)
    #: The titles of other conversations that the tools of this turn showed, where they are not
    #: those of before.
    titles: list[Title] = Field(default_factory=list)
    #: The calls that a replay answers from the recording, as their tools can't be run.
    others: list[OtherCall] = Field(default_factory=list)
    #: Where the thread is a copy: of the calls that changed something before it was copied, the
    #: thread that they were made in, by the calls' ids.
    copied_from: dict[str, str] = Field(default_factory=dict)
    #: The tool calls in the order in which they took effect, where they were made at once and that
    #: was not the order in which the model wrote them.
    order: list[str] = Field(default_factory=list)
    #: What the run added: the model's answers, and the results of the tools with their times.
    messages: list[Form] = Field(default_factory=list)
    #: The ids of the calls that a person was asked to approve.
    asked: list[str] = Field(default_factory=list)
    #: What they answered, in order: a decision for each call of a step that was asked about, in
    #: LangChain's form; none for an answer that could not be used.
    answers: list[list[Decision] | None] = Field(default_factory=list)
    #: Whether the turn begins with the first of the answers, to a question of an earlier turn.
    begins_with_answer: bool = False
    #: LangGraph's recursion limit, where the run came to it.
    step_limit: int | None = None
    #: Whether the run broke off, and was never gone on with.
    unfinished: bool = False


class RecordedRow(_Part):
    """A row of `messages`, but for its keys and the time of the write."""

    digest: str
    #: The digest of the message before it.
    parent: str | None
    role: str
    content: str
    #: As in the row. A timestamp is none where the tool's message holds no time, and the row
    #: therefore shows the time of the write.
    tool_calls: list[dict[str, Any]] | None = None


class Recording(_Part):
    """A conversation with all that it depended on."""

    format: Literal[2] = FORMAT
    thread: str
    title: str | None = None
    #: Tools beside the task tools that calls were for.
    other_tools: list[OtherTool] = Field(default_factory=list)
    turns: list[Turn]
    leaf: str | None = None
    rows: list[RecordedRow]

    def to_json(self) -> str:
        """The file's text."""
        parts = self.model_dump(mode="python", exclude_defaults=True)
        # The format's number says how to read the rest, default or not.
        text = json.dumps(
            {"format": self.format} | parts, indent=2, ensure_ascii=False, default=_iso
        )
        return text + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Recording":
        """The recording in a file's text.

        Raises:
            InvalidRecordingError: it is not a recording, or is of another format.
        """
        try:
            parts = json.loads(text)
            if isinstance(parts, dict) and parts.get("format", FORMAT) != FORMAT:
                raise InvalidRecordingError(
                    f"the recording has format {parts['format']!r}, but this version reads format "
                    f"{FORMAT}. Export the thread again, or use the version that wrote it."
                )
            return cls.model_validate(parts)
        except (json.JSONDecodeError, ValidationError) as error:
            raise InvalidRecordingError(
                f"this is not a recording that `task-agent replay export` wrote: {error}"
            ) from error


def _iso(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"a recording can't hold a {type(value).__name__}")
