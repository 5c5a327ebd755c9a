"""An answer over HTTP that breaks off is noticed at once, where nobody asks for the rest."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tools.client.answers import watched


class Breaking(httpx.AsyncByteStream):
    """What a server sends before it dies, if it does."""

    def __init__(self, *parts: bytes, dies: bool = True) -> None:
        self._parts = parts
        self._dies = dies

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part
        if self._dies:
            raise httpx.RemoteProtocolError("incomplete chunked read")


async def noticed(method: str, stream: httpx.AsyncByteStream) -> int:
    """How often it was noticed while a client read this."""
    lost: list[None] = []
    async with httpx.AsyncClient(
        transport=httpx.MockTransport(lambda _: httpx.Response(200, stream=stream)),
        event_hooks={"response": [watched(lambda: lost.append(None))]},
    ) as client:
        try:
            async with client.stream(method, "http://server/mcp") as response:
                await response.aread()
        except httpx.RemoteProtocolError:
            pass
    return len(lost)


@pytest.mark.parametrize("parts", [[], [b": ping\n\n"], [b'data: {"id": 1', b"2}"]])
async def test_an_answer_that_breaks_off_is_noticed(parts: list[bytes]) -> None:
    assert await noticed("POST", Breaking(*parts)) == 1


async def test_a_whole_answer_and_what_a_server_sends_by_itself_are_not() -> None:
    assert await noticed("POST", Breaking(b"data: {}\n\n", dies=False)) == 0
    assert await noticed("GET", Breaking(b": ping\n\n")) == 0


@pytest.mark.parametrize("parts", [[b"id: 1\ndata:\n\n"], [b"data:\n", b"event: x\nid: 1\n\n"]])
async def test_where_events_are_numbered_the_rest_is_asked_for(parts: list[bytes]) -> None:
    assert await noticed("POST", Breaking(*parts)) == 0


async def test_a_client_that_watches_gets_what_was_sent() -> None:
    async with httpx.AsyncClient(
        transport=httpx.MockTransport(
            lambda _: httpx.Response(200, stream=Breaking(b"one ", b"two", dies=False))
        ),
        event_hooks={"response": [watched(lambda: None)]},
    ) as client:
        assert (await client.post("http://server/mcp")).text == "one two"
