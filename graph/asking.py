"""A question to the person, and the one answer that is to it.

An answer counts once, for the question that it answers:

- It is taken from a run that began after the question was asked. A click made twice is two runs,
  and by the time the second comes up, another question may wait.
- A question that was answered is asked anew when somebody goes back to its checkpoint.
- A run that goes on from a question without an answer to it is told so. LangGraph takes an empty
  object for a map of answers by the ids of questions, with none in it, and the SDK leaves out one
  that is null: both come without any answer.
"""

from contextlib import suppress
from typing import Any
from uuid import UUID

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.config import get_config
from langgraph.errors import GraphInterrupt
from langgraph.runtime import ExecutionInfo, Runtime
from langgraph.types import interrupt

from .context import Context
from .decisions import Question, UnusableAnswerError

ANSWERED_BEFORE = "This was decided before, and the conversation has gone back to before that."
ASKED_LATER = "The last answer was sent before this was asked, so it was meant for something else."
NO_ANSWER = (
    "The run was resumed without an answer to this question; an answer has to be "
    '{"decisions": […]} with one decision for each action, in their order.'
)

#: 100-nanosecond intervals between the epoch of UUIDs with a time in them and that of Unix.
_UUID_EPOCH = 0x01B21DD213814000

# What LangGraph calls them in a node's configuration and in a checkpoint's writes. It has no public
# names for them: the tests of empty answers notice when they change.
_CHECKPOINTER = "__pregel_checkpointer"
_ANSWERS_BY_ID = "__pregel_resume_map"
_INTERRUPT = "__interrupt__"


async def answer_to(question: Question, runtime: Runtime[Context]) -> Any:
    """What the person answered to this very question; interrupts the run until there is something.

    Raises:
        UnusableAnswerError: what came is no answer, or one to another question; the text says why.
    """
    info = runtime.execution_info
    try:
        answers = [interrupt(question)]
    except GraphInterrupt:
        if info and await _was_asked(info):
            raise UnusableAnswerError(NO_ANSWER) from None
        raise
    with suppress(GraphInterrupt):
        while True:
            answers.append(interrupt(question))
    if len(answers) > 1 or not _came_now(answers[0]):
        raise UnusableAnswerError(ANSWERED_BEFORE)
    if info and _began_before(this_run(), info.checkpoint_id):
        raise UnusableAnswerError(ASKED_LATER)
    return answers[0]


def this_run() -> str | None:
    """The id that the server gave to the run, the same when it has to try again."""
    run_id = _configured("run_id")
    return None if run_id is None else str(run_id)


def _configured(key: str) -> Any:
    return get_config().get("configurable", {}).get(key)


def _came_now(answer: object) -> bool:
    """Whether this run brought the answer, where it brought answers by the questions' ids.

    If the question's own id is not among them, LangGraph hands out what was answered before.
    """
    by_id = _configured(_ANSWERS_BY_ID)
    return by_id is None or any(answer is given for given in by_id.values())


async def _was_asked(info: ExecutionInfo) -> bool:
    """Whether an earlier run ended with this question."""
    saver = _configured(_CHECKPOINTER)
    if not isinstance(saver, BaseCheckpointSaver):
        return False
    config: RunnableConfig = {
        "configurable": {
            "thread_id": info.thread_id,
            "checkpoint_ns": info.checkpoint_ns.rpartition("|")[0],
            "checkpoint_id": info.checkpoint_id,
        }
    }
    saved = await saver.aget_tuple(config)
    writes = (saved and saved.pending_writes) or []
    return any((task, channel) == (info.task_id, _INTERRUPT) for task, channel, _ in writes)


def _began_before(run_id: str | None, checkpoint_id: str) -> bool:
    """Whether a run was asked for before there was a checkpoint, as far as their ids tell.

    The server names runs by the time at which it accepts them, and LangGraph checkpoints by that at
    which they were made.
    """
    try:
        run, checkpoint = UUID(run_id or ""), UUID(checkpoint_id)
    except ValueError:
        return False
    if run.version != 7 or checkpoint.version != 6:
        return False
    made = (checkpoint.int >> 80) << 12 | (checkpoint.int >> 64) & 0xFFF
    return run.int >> 80 < (made - _UUID_EPOCH) // 10_000
