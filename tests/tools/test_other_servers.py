"""Other MCP servers beside the task server: real processes, over stdio and over HTTP."""

import asyncio
import json
import logging
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.messages import ToolMessage

from tests.cli.support import is_alive
from tests.tools.others import (
    ROOT,
    HttpServers,
    agent_tools,
    call,
    calls,
    eventually,
    http_servers,
    kill,
    names,
    pid_of,
    stdio_entry,
    wait_until,
    write_config,
)
from tools.client import AgentTools, TaskTools
from tools.client.config import read_config
from tools.client.toolbox import SERVER

OTHERS = ["fail", "grow", "look", "paint", "put", "told"]


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for processes as long as they take on a machine that does much else."""
    monkeypatch.setattr("tools.client.other.FIRST_PATIENCE", 60)


@pytest.fixture
def http(tmp_path: Path) -> Iterator[HttpServers]:
    with http_servers(tmp_path) as servers:
        yield servers


async def has(tools: AgentTools, name: str) -> bool:
    return name in await names(tools)


async def succeeds(tools: AgentTools, name: str) -> bool:
    return (await call(tools, name, text="up")).status == "success"


def failed(message: ToolMessage) -> str:
    assert message.status == "error"
    return message.text


async def test_tools_over_stdio_and_http_come_after_the_task_tools(
    tmp_path: Path, http: HttpServers
) -> None:
    http.start()
    one = tmp_path / "one"
    one.mkdir()
    servers = {"web": {"url": http.url}, "local": stdio_entry(one)}
    async with agent_tools(tmp_path, **servers) as tools:
        found = await tools.tools()
        own = len([tool for tool in found if SERVER not in (tool.metadata or {})])
        web, local = found[own : own + 7], found[own + 7 :]
        assert [tool.name for tool in web if "find_tasks" not in tool.name] == OTHERS
        assert [tool.name for tool in local] == [
            *("local_fail", "local_find_tasks", "local_grow", "local_look"),
            *("local_paint", "local_put", "local_told"),
        ]
        assert {(tool.metadata or {})[SERVER] for tool in web} == {"web"}
        look = next(tool for tool in web if tool.name == "look")
        assert (look.metadata or {})["readOnlyHint"] is True
        answers = [await call(tools, "look", text="up"), await call(tools, "local_look", text="in")]
        assert [(a.status, a.text.partition(",")[0], a.name) for a in answers] == [
            ("success", "look up", "look"),
            ("success", "look in", "look"),
        ]
        # The sessions are held: nothing is opened again.
        assert [await names(tools)] * 2 == [[tool.name for tool in found]] * 2
        again = await call(tools, "local_look", text="in")
        assert again.text == answers[1].text
    assert calls(one) == ["look in", "look in"]


async def test_an_error_of_a_tool_is_the_models_to_read(tmp_path: Path) -> None:
    async with agent_tools(tmp_path, local=stdio_entry(tmp_path)) as tools:
        assert "it is Monday" in failed(await call(tools, "fail"))


async def test_another_server_learns_neither_who_the_user_is_nor_our_secrets(
    tmp_path: Path, http: HttpServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    http.start()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("SOME_TOKEN", "t0ken")
    local = stdio_entry(tmp_path) | {"env": {"TOKEN": "${SOME_TOKEN}"}, "cwd": str(tmp_path)}
    local["env"]["PYTHONPATH"] = str(ROOT)
    web = {"url": http.url, "headers": {"Authorization": "Bearer ${SOME_TOKEN}"}}
    async with agent_tools(tmp_path, web=web, local=local) as tools:
        over_http = json.loads((await call(tools, "told")).text)
        over_stdio = json.loads((await call(tools, "local_told")).text)
    assert over_http["meta"] is over_stdio["meta"] is None
    assert over_http["headers"]["authorization"] == "Bearer t0ken"
    assert over_stdio["environment"]["TOKEN"] == "t0ken"
    assert not {"OPENAI_API_KEY", "SOME_TOKEN"} & over_stdio["environment"].keys()
    assert over_stdio["directory"] == str(tmp_path)
    assert "ann" not in json.dumps([over_http["headers"], over_stdio])


@pytest.mark.parametrize("name", ["look", "paint"])
async def test_a_call_that_may_be_repeated_is_when_its_process_dies_in_it(
    tmp_path: Path, name: str
) -> None:
    async with agent_tools(tmp_path, local=stdio_entry(tmp_path)) as tools:
        await tools.tools()
        first = pid_of(tmp_path)
        (tmp_path / "die").touch()
        answer = await call(tools, name, text="here")
        assert answer.status == "success"
        assert calls(tmp_path) == [f"{name} here"] * 2
        assert pid_of(tmp_path) != first
        wait_until(lambda: not is_alive(first), "the first process is gone")


async def test_of_a_write_whose_process_died_in_it_the_outcome_is_unknown_and_it_is_made_once(
    tmp_path: Path,
) -> None:
    async with agent_tools(tmp_path, local=stdio_entry(tmp_path)) as tools:
        await tools.tools()
        (tmp_path / "die").touch()
        assert "not known whether it was done" in failed(await call(tools, "put", text="one"))
        assert calls(tmp_path) == ["put one"]
        # The next one finds another process.
        assert (await call(tools, "put", text="two")).status == "success"
        assert calls(tmp_path) == ["put one", "put two"]


async def test_a_write_is_made_once_when_the_process_died_before_it(tmp_path: Path) -> None:
    async with agent_tools(tmp_path, local=stdio_entry(tmp_path)) as tools:
        await tools.tools()
        await asyncio.to_thread(kill, pid_of(tmp_path))
        answer = await call(tools, "put", text="one")
        # When it died, not whether: between seeing it gone and writing to it, nobody can tell.
        assert answer.status == "success" or "not known" in answer.text
        assert calls(tmp_path).count("put one") <= 1
        assert (await call(tools, "put", text="two")).status == "success"


@pytest.mark.parametrize("name", ["look", "paint"])
async def test_a_call_that_may_be_repeated_is_when_its_web_server_dies_in_it(
    tmp_path: Path, http: HttpServers, name: str
) -> None:
    first = http.start()
    async with agent_tools(tmp_path, web={"url": http.url}) as tools:
        await tools.tools()
        (tmp_path / "die").touch()
        answer = asyncio.create_task(call(tools, name, text="here"))
        await asyncio.to_thread(first.wait)
        http.start()
        assert (await answer).status == "success"
        assert calls(tmp_path) == [f"{name} here"] * 2


async def test_of_a_write_whose_web_server_died_in_it_the_outcome_is_unknown_and_it_is_made_once(
    tmp_path: Path, http: HttpServers
) -> None:
    first = http.start()
    async with agent_tools(tmp_path, web={"url": http.url}) as tools:
        await tools.tools()
        (tmp_path / "die").touch()
        answer = asyncio.create_task(call(tools, "put", text="one"))
        await asyncio.to_thread(first.wait)
        assert "not known whether it was done" in failed(await answer)
        http.start()
        assert (await call(tools, "put", text="two")).status == "success"
    assert calls(tmp_path) == ["put one", "put two"]


async def test_a_web_server_that_is_stopped_in_a_call_is_not_waited_for(
    tmp_path: Path, http: HttpServers
) -> None:
    server = http.start()
    async with agent_tools(tmp_path, web={"url": http.url, "timeout": 600}) as tools:
        await tools.tools()
        (tmp_path / "hold").touch()
        answer = asyncio.create_task(call(tools, "put", text="here"))
        await eventually(lambda: asyncio.to_thread(lambda: len(calls(tmp_path)) == 1))
        # It ends the answer in good order, without having answered.
        server.terminate()
        assert "not known whether it was done" in failed(await asyncio.wait_for(answer, 20))
        (tmp_path / "hold").unlink()
        await asyncio.to_thread(server.wait)


async def test_a_web_server_that_was_started_anew_is_asked_anew_for_writes_too(
    tmp_path: Path, http: HttpServers
) -> None:
    first = http.start()
    async with agent_tools(tmp_path, web={"url": http.url}) as tools:
        await tools.tools()
        first.kill()
        await asyncio.to_thread(first.wait)
        http.start()
        # It doesn't know the session, and says so: nothing was done yet.
        assert (await call(tools, "put", text="one")).status == "success"
    assert calls(tmp_path) == ["put one"]


async def test_a_server_that_is_down_costs_its_tools_and_they_come_when_it_is_back(
    tmp_path: Path, http: HttpServers, caplog: pytest.LogCaptureFixture
) -> None:
    http.close()
    async with agent_tools(
        tmp_path, web={"url": http.url}, nothing={"command": "no-such"}
    ) as tools:
        own = await asyncio.wait_for(names(tools), 20)
        assert "look" not in own
        web, nothing = tools.servers
        assert "ConnectError" in str(web.problem)
        assert nothing.problem == "there is no program 'no-such' on the PATH"
        assert "'web' can't be reached" in caplog.text
        http.listen()
        http.start()
        await eventually(lambda: has(tools, "look"))
        assert await names(tools) == [*own, *(await names(tools))[len(own) :]]
        assert "'web' is back" in caplog.text
        # It goes again: its tools stay, and say what is wrong.
        http.close()
        assert "look" in await names(tools)
        unreachable = failed(await call(tools, "put", text="one"))
        assert "can't be reached" in unreachable
        assert "Nothing was done" in unreachable
        http.listen()
        http.start()
        await eventually(lambda: succeeds(tools, "look"))
    assert calls(tmp_path) == ["look up"]


async def test_a_server_that_failed_is_not_tried_at_every_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.client.other.FIRST_PAUSE", 600)
    starts = tmp_path / "starts"
    command = {"command": "sh", "args": ["-c", f"echo x >> {starts}; echo oh dear >&2; exit 3"]}
    async with agent_tools(tmp_path, local=command) as tools:
        for _ in range(20):
            await tools.tools()
        assert starts.read_text() == "x\n"
        assert tools.servers[0].problem == "'sh' did not start a session: it said: oh dear"


async def test_a_known_tool_of_a_server_that_is_down_is_not_tried_at_every_call(
    tmp_path: Path, http: HttpServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.client.other.FIRST_PAUSE", 600)
    monkeypatch.setattr("tools.client.other.LONGEST_PAUSE", 600)
    http.start()
    async with agent_tools(tmp_path, web={"url": http.url}) as tools:
        assert "put" in await names(tools)
        http.close()
        assert "can't be reached" in failed(await call(tools, "put", text="one"))
        again = failed(await call(tools, "put", text="one"))
        assert "Nothing was done. It is tried again in" in again
        assert "put" in await names(tools)


async def test_a_server_that_hangs_at_its_start_is_waited_for_once_and_not_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.client.other.FIRST_PATIENCE", 0.2)
    async with agent_tools(tmp_path, local={"command": "sleep", "args": ["1000"]}) as tools:
        async with asyncio.timeout(10):
            own = await names(tools)
            assert await names(tools) == own
        assert any(task.get_name() == "mcp-local" for task in asyncio.all_tasks())
    assert not any(task.get_name() == "mcp-local" for task in asyncio.all_tasks())


async def test_a_late_answer_is_an_error_and_says_what_is_known(tmp_path: Path) -> None:
    late = stdio_entry(tmp_path) | {"timeout": 0.3}
    async with agent_tools(tmp_path, local=late) as tools:
        await tools.tools()
        (tmp_path / "hold").touch()
        wrote = failed(await call(tools, "put", text="one"))
        assert "did not answer within 0.3 seconds" in wrote
        assert "not known whether it was done" in wrote
        assert "may be called again" in failed(await call(tools, "look", text="up"))
        before = pid_of(tmp_path)
        (tmp_path / "hold").unlink()
        # It lives, so it is kept.
        await eventually(lambda: succeeds(tools, "look"))
        assert pid_of(tmp_path) == before


async def test_a_process_that_has_stopped_answering_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.client.other.PING_TIMEOUT", 0.3)
    entry = stdio_entry(tmp_path)
    async with agent_tools(tmp_path, local=entry | {"timeout": 30}) as tools:
        await tools.tools()
        hung = pid_of(tmp_path)
        os.kill(hung, signal.SIGSTOP)
        # As when the agent's own time is up.
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call(tools, "put", text="one"), 0.3)
        assert (await call(tools, "put", text="two")).status == "success"
        assert pid_of(tmp_path) != hung
        assert not is_alive(hung)
    assert "put two" in calls(tmp_path)


async def test_a_server_that_tells_of_new_tools_is_asked_for_them(tmp_path: Path) -> None:
    async with agent_tools(tmp_path, local=stdio_entry(tmp_path)) as tools:
        assert "grown" not in await names(tools)
        await call(tools, "grow")
        await eventually(lambda: has(tools, "grown"))
        assert (await call(tools, "grown")).text == "grown"


async def test_first_uses_at_the_same_time_start_one_process(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    entry = stdio_entry(tmp_path)
    script = f'echo x >> {starts}; exec "$0" "$@"'
    entry |= {"command": "sh", "args": ["-c", script, entry["command"], *entry["args"]]}
    async with agent_tools(tmp_path, local=entry) as tools:
        lists = await asyncio.gather(*(names(tools) for _ in range(8)))
        assert all("look" in found for found in lists)
        await asyncio.gather(*(call(tools, "look", text=str(number)) for number in range(32)))
    assert starts.read_text() == "x\n"
    assert sorted(calls(tmp_path)) == sorted(f"look {number}" for number in range(32))


async def test_closing_ends_the_process_and_it_can_be_used_again(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with agent_tools(tmp_path, local=stdio_entry(tmp_path)) as tools:
        await tools.tools()
        first = pid_of(tmp_path)
        await tools.aclose()
        wait_until(lambda: not is_alive(first), "the process is gone")
        assert asyncio.all_tasks() == before
        assert (await call(tools, "look", text="up")).status == "success"
        assert pid_of(tmp_path) != first
    wait_until(lambda: not is_alive(pid_of(tmp_path)), "the second process is gone")


async def test_what_a_process_says_on_the_side_is_for_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO, logger="tools.client.opening")
    async with agent_tools(tmp_path, local=stdio_entry(tmp_path)) as tools:
        await tools.tools()
    assert "local: Other server, at your service" in caplog.text
    assert capfd.readouterr().err == ""


def test_the_tools_work_on_one_event_loop_after_another(tmp_path: Path) -> None:
    tools = AgentTools(
        TaskTools(), read_config(write_config(tmp_path, local=stdio_entry(tmp_path)))
    )
    for times in (1, 2):
        # Without closing the tools: the loop ends with the session still open.
        assert asyncio.run(succeeds(tools, "look"))
        wait_until(lambda: not is_alive(pid_of(tmp_path)), "the loop's process is gone")
        assert calls(tmp_path) == ["look up"] * times


def test_event_loops_at_the_same_time_have_a_session_each_and_are_closed_together(
    tmp_path: Path,
) -> None:
    tools = AgentTools(
        TaskTools(), read_config(write_config(tmp_path, local=stdio_entry(tmp_path)))
    )
    used = threading.Barrier(3, timeout=60)
    closed = threading.Event()
    processes = set()

    async def use() -> None:
        for _ in range(5):
            await eventually(lambda: has(tools, "look"))
            answer = await call(tools, "look", text="up")
            assert answer.status == "success"
            processes.add(int(answer.text.rpartition(" ")[2]))
        await asyncio.to_thread(used.wait)
        await asyncio.to_thread(closed.wait, 60)

    threads = [threading.Thread(target=asyncio.run, args=(use(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    used.wait()
    assert len(processes) == 2
    asyncio.run(tools.aclose())
    assert not [process for process in processes if is_alive(process)]
    closed.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
