"""An OpenAI-compatible server on this machine, which answers as a test tells it to."""

import json
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


@dataclass
class Stream:
    """A streamed answer: its pieces, and whether the stream ends as it should."""

    pieces: list[dict[str, Any]]
    finish: str | None = "stop"
    #: Sent as it is before the end.
    raw: str = ""
    #: Break the connection instead of ending the stream.
    cut: bool = False


@dataclass
class Refusal:
    """An answer with this status."""

    status: int
    message: str = "refused by the test"


@dataclass
class Provider:
    """What the server will answer, and what it was asked."""

    url: str = ""
    answers: deque[Stream | Refusal] = field(default_factory=deque)
    requests: list[dict[str, Any]] = field(default_factory=list)

    async def complete(self, request: Request) -> Response:
        self.requests.append(await request.json())
        answer = self.answers.popleft()
        if isinstance(answer, Refusal):
            # At once, so that a client that waits before it asks again need not wait.
            return JSONResponse(
                {"error": {"message": answer.message, "type": "test", "code": None}},
                status_code=answer.status,
                headers={"retry-after-ms": "1"},
            )
        return StreamingResponse(_events(answer), media_type="text/event-stream")


def text(words: str) -> dict[str, Any]:
    """A piece of what is said."""
    return {"content": words}


def call(arguments: str, *, index: int = 0, **first: str) -> dict[str, Any]:
    """A piece of a tool call; the first has `id` and `name`."""
    function: dict[str, Any] = {"arguments": arguments}
    if "name" in first:
        function["name"] = first["name"]
    piece: dict[str, Any] = {"index": index, "type": "function", "function": function}
    if "id" in first:
        piece["id"] = first["id"]
    return {"tool_calls": [piece]}


def words(said: str) -> Stream:
    """An answer in words."""
    return Stream([text(said)])


def calls(*requests: tuple[str, dict[str, Any]], ids: str = "call") -> Stream:
    """An answer that asks for tool calls."""
    pieces = [
        call(json.dumps(arguments), index=index, id=f"{ids}_{index}", name=name)
        for index, (name, arguments) in enumerate(requests)
    ]
    return Stream(pieces, finish="tool_calls")


async def _events(answer: Stream) -> AsyncIterator[str]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        whole = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": "test",
            "choices": [choice],
        }
        return f"data: {json.dumps(whole)}\n\n"

    yield chunk({"role": "assistant", "content": ""})
    for piece in answer.pieces:
        yield chunk(piece)
    if answer.raw:
        yield answer.raw
    if answer.cut:
        raise ConnectionResetError("cut by the test")
    if answer.finish is not None:
        yield chunk({}, answer.finish)
    yield "data: [DONE]\n\n"


@contextmanager
def serving() -> Iterator[Provider]:
    """A provider on a free port, for the length of the block."""
    provider = Provider()
    app = Starlette(routes=[Route("/v1/chat/completions", provider.complete, methods=["POST"])])
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", ws="none")
    )
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    provider.url = f"http://127.0.0.1:{port}/v1"
    try:
        yield provider
    finally:
        server.should_exit = True
        thread.join(10)
