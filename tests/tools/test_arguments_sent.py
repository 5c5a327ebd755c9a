"""Arguments that no message can hold cost their own call, and no other's session."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.tools.others import (
    agent_tools,
    call,
    calls,
    eventually,
    http_servers,
    pid_of,
    stdio_entry,
)

#: Half a character, as models write it that cut an emoji in two.
HALF = "a\ud83e"


async def refused(directory: Path, server: dict[str, Any]) -> None:
    """Make such a call while another one is under way."""
    async with agent_tools(directory, other=server) as tools:
        assert (await call(tools, "put", text="first")).status == "success"
        pid = pid_of(directory)
        (directory / "hold").touch()
        under_way = asyncio.create_task(call(tools, "put", text="second"))

        async def has_come() -> bool:
            return calls(directory)[-1] == "put second"

        await eventually(has_come)
        answer = await call(tools, "put", text=HALF)
        assert answer.status == "error"
        assert "Nothing was done" in answer.text
        assert "surrogate" in answer.text
        answer.text.encode()
        (directory / "hold").unlink()
        assert (await under_way).text == f"put second, said {pid}"
    assert calls(directory) == ["put first", "put second"]


async def test_over_stdio(tmp_path: Path) -> None:
    await refused(tmp_path, stdio_entry(tmp_path))


async def test_over_http(tmp_path: Path) -> None:
    with http_servers(tmp_path) as servers:
        servers.start()
        await refused(tmp_path, {"url": servers.url})


@pytest.mark.parametrize("text", ["🥛", "\x00", "\u2028"])
async def test_whatever_is_text_is_sent(tmp_path: Path, text: str) -> None:
    async with agent_tools(tmp_path, other=stdio_entry(tmp_path)) as tools:
        assert (await call(tools, "put", text=text)).text.startswith(f"put {text}, said")
