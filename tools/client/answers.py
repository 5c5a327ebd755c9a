"""Notices an answer over HTTP that breaks off: the SDK leaves its call waiting for ever."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx


def watched(lost: Callable[[], None]) -> Callable[[httpx.Response], Awaitable[None]]:
    """A hook for a client's responses that calls `lost` when the answer to a request breaks off.

    Not where the server numbers its events: the SDK then asks it for the rest.
    """

    async def watch(response: httpx.Response) -> None:
        # What a GET brings is not an answer; the SDK opens it anew.
        if response.request.method == "POST" and isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _Watched(response.stream, lost)

    return watch


class _Watched(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, lost: Callable[[], None]) -> None:
        self._stream = stream
        self._lost = lost

    async def __aiter__(self) -> AsyncIterator[bytes]:
        numbered = False
        try:
            async for part in self._stream:
                numbered = numbered or part.startswith(b"id:") or b"\nid:" in part
                yield part
        except httpx.TransportError:
            if not numbered:
                self._lost()
            raise

    async def aclose(self) -> None:
        await self._stream.aclose()
