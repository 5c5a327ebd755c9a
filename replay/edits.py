"""What makes one list of messages of another, in the way of LangGraph's reducer. Pure: no I/O."""

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage, RemoveMessage
from langgraph.graph.message import REMOVE_ALL_MESSAGES, add_messages


def edit_between(before: Sequence[BaseMessage], after: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The messages that LangGraph's reducer makes `after` of `before` with."""
    old = {message.id: message for message in before}
    kept = {message.id for message in after}
    edit: list[BaseMessage] = [
        RemoveMessage(id=message.id)
        for message in before
        if message.id is not None and message.id not in kept
    ]
    edit += [message for message in after if not _same(old.get(message.id), message)]
    # The reducer replaces in place and appends at the end; whatever else was done, begin anew.
    if merged(before, edit) != list(after):
        edit = [RemoveMessage(id=REMOVE_ALL_MESSAGES), *after]
    return edit


def new_among(messages: Sequence[BaseMessage], before: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The messages of an edit that it does not merely put in another place."""
    if not any(_removes_all(message) for message in messages):
        return list(messages)
    return [
        message
        for message in messages
        if not _removes_all(message) and not any(_same(old, message) for old in before)
    ]


def merged(before: Sequence[BaseMessage], edit: Sequence[BaseMessage]) -> list[Any]:
    """The messages after an edit; none where the reducer can't make it."""
    left: list[Any] = list(before)
    right: list[Any] = list(edit)
    try:
        return list(add_messages(left, right))
    except ValueError:  # To remove a message that isn't there, say.
        return []


def _removes_all(message: BaseMessage) -> bool:
    return isinstance(message, RemoveMessage) and message.id == REMOVE_ALL_MESSAGES


def _same(old: BaseMessage | None, new: BaseMessage) -> bool:
    return old is new or old == new
