"""LangChain messages as a recording writes them: readable, and exact to the byte.

A message's form is a flat JSON object: its type, its id, what it says, and every other field that
differs from its default. Where JSON can't hold a message exactly (half of a surrogate pair, bytes,
numbers that JSON has no form for), the form shows its text and holds its stored payload in base64.
"""

import base64
import json
from collections.abc import Iterable
from typing import Any

from langchain_core.messages import BaseMessage, messages_from_dict
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from storage.transcript import storable

from .errors import InvalidRecordingError

Form = dict[str, Any]

#: What the checkpointer stores messages with; it restores LangChain's own types and no others.
SERDE: SerializerProtocol = JsonPlusSerializer(allowed_msgpack_modules=None)

PAYLOAD = "payload"
PAYLOAD_TYPE = "payload_type"


def write_message(message: BaseMessage) -> Form:
    """The form of a message, the same whether it comes from a run or from the database."""
    # A message that was never stored may hold the keys of its tool calls in another order.
    message = SERDE.loads_typed(SERDE.dumps_typed(message))
    form = _readable(message)
    payload_type, payload = SERDE.dumps_typed(message)
    if _exact(form, payload_type, payload):
        return form
    return {
        "type": message.type,
        "id": message.id and storable(message.id),
        "content": storable(str(message.text)),
        PAYLOAD_TYPE: payload_type,
        PAYLOAD: base64.b64encode(payload).decode(),
    }


def write_messages(messages: Iterable[BaseMessage]) -> list[Form]:
    """The forms of messages."""
    return [write_message(message) for message in messages]


def read_message(form: Form) -> BaseMessage:
    """The message of a form.

    Raises:
        InvalidRecordingError: the form is not that of a message.
    """
    try:
        if PAYLOAD in form:
            message = SERDE.loads_typed((form[PAYLOAD_TYPE], base64.b64decode(form[PAYLOAD])))
        else:
            message = messages_from_dict([{"type": form["type"], "data": form}])[0]
    except Exception as error:  # Whatever a changed file makes LangChain, or msgpack, raise.
        raise InvalidRecordingError(
            f"this is not the form of a message: {json.dumps(form, ensure_ascii=False)[:300]}. "
            "Export the thread again."
        ) from error
    if not isinstance(message, BaseMessage):
        raise InvalidRecordingError(f"the payload of message {form.get('id')!r} is no message")
    return message


def read_messages(forms: Iterable[Form]) -> list[BaseMessage]:
    """The messages of forms."""
    return [read_message(form) for form in forms]


def _readable(message: BaseMessage) -> Form:
    fields = message.model_dump()
    shown = {"type": message.type, "id": fields.pop("id"), "content": fields.pop("content")}
    for name, value in fields.items():
        field = type(message).model_fields.get(name)
        if field is None or value != field.get_default(call_default_factory=True):
            shown.setdefault(name, value)
    return shown


def _exact(form: Form, payload_type: str, payload: bytes) -> bool:
    try:
        text = json.dumps(form, ensure_ascii=False, allow_nan=False)
        text.encode()
        return SERDE.dumps_typed(read_message(json.loads(text))) == (payload_type, payload)
    except (ValueError, TypeError, InvalidRecordingError):
        return False
