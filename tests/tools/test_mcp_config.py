"""`mcp.json`: what other programs write there is read, and a mistake in it is told."""

import json
from pathlib import Path
from typing import Any

import pytest

from tools.client.config import configured_servers, read_config
from tools.client.entries import DEFAULT_TIMEOUT, HttpServer, ServerEntry, StdioServer
from tools.errors import McpConfigError

ENVIRONMENT = {"TOKEN": "s3cret", "EMPTY": "", "HOME": "/home/ann", "FROM_A_FILE": "s3cret\n"}


def read(tmp_path: Path, whole: Any) -> list[ServerEntry]:
    path = tmp_path / "mcp.json"
    path.write_text(whole if isinstance(whole, str) else json.dumps(whole))
    return read_config(path, ENVIRONMENT)


def servers(**entries: Any) -> dict[str, Any]:
    return {"mcpServers": entries}


def test_a_file_of_claude_desktop_is_read(tmp_path: Path) -> None:
    files, remote = read(
        tmp_path,
        servers(
            filesystem={
                "command": "npx",
                "args": ["-y", "@modelcontextprotocol/server-filesystem", "/tmp"],
                "env": {"API_KEY": "${TOKEN}", "PORT": 8080},
            },
            remote={"type": "http", "url": "https://example.org/mcp"},
        ),
    )
    assert files == StdioServer(
        "filesystem",
        "npx",
        ("-y", "@modelcontextprotocol/server-filesystem", "/tmp"),
        tmp_path,
        {"API_KEY": "s3cret", "PORT": "8080"},
        DEFAULT_TIMEOUT,
    )
    assert remote == HttpServer("remote", "https://example.org/mcp")


def test_a_file_of_vs_code_is_read(tmp_path: Path) -> None:
    whole = {
        "inputs": [{"type": "promptString", "id": "key"}],
        "servers": {
            "playwright": {"type": "stdio", "command": "npx", "cwd": "tools", "env": {"A": None}},
            "github": {
                "type": "http",
                "url": "https://example.org/mcp/",
                "headers": {"Authorization": "Bearer ${env:TOKEN}"},
            },
        },
    }
    playwright, github = read(tmp_path, whole)
    assert playwright == StdioServer("playwright", "npx", (), tmp_path / "tools")
    assert isinstance(github, HttpServer)
    assert github.headers == {"Authorization": "Bearer s3cret"}


def test_servers_keep_their_order_and_those_that_are_off_are_left_out(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        servers(
            zebra={"command": "z"},
            # Nobody has to set the variables of a server that is off.
            off={"command": "o", "disabled": True, "env": {"A": "${NOWHERE}"}},
            also_off={"url": "http://o", "enabled": False},
            ant={"command": "a", "disabled": False, "timeout": 90},
        ),
    )
    assert [server.name for server in found] == ["zebra", "ant"]
    assert [server.timeout for server in found] == [DEFAULT_TIMEOUT, 90]


def test_variables_are_filled_in_wherever_a_text_is(tmp_path: Path) -> None:
    whole = servers(
        one={
            "command": "${HOME}/run",
            "args": ["${EMPTY}", "${NOT:-other}", "$HOME", "${EMPTY:-x}"],
        },
        two={"url": "https://example.org/${TOKEN}", "headers": {"X": "a ${TOKEN} b ${TOKEN}"}},
    )
    one, two = read(tmp_path, whole)
    assert isinstance(one, StdioServer)
    assert (one.command, one.args) == ("/home/ann/run", ("", "other", "$HOME", "x"))
    assert isinstance(two, HttpServer)
    assert two.url == "https://example.org/s3cret"
    assert two.headers == {"X": "a s3cret b s3cret"}


def test_secrets_are_neither_in_what_is_shown_nor_in_a_traceback(tmp_path: Path) -> None:
    whole = servers(
        one={"command": "run", "env": {"KEY": "${TOKEN}"}},
        two={
            "url": "https://me:${TOKEN}@example.org/mcp?key=${TOKEN}",
            "headers": {"A": "${TOKEN}"},
        },
    )
    found = read(tmp_path, whole)
    assert "s3cret" not in repr(found)
    assert [server.where for server in found] == ["run", "https://example.org/mcp"]


GOOD = {"command": "run"}


@pytest.mark.parametrize(
    ("whole", "words"),
    [
        ("{", "line 1, column 2"),
        ('{\n  // mine\n  "mcpServers": {}}', "Comments are not allowed"),
        ("[]", "has to hold an object"),
        ({}, "has neither"),
        ({"mcpservers": {}}, "has neither"),
        ({"mcpServers": {}, "servers": {}}, "has both 'mcpServers' and 'servers'"),
        ({"mcpServers": []}, "'mcpServers' has to be an object"),
        ('{"mcpServers": {"x": {"command": "a"}, "x": {"command": "b"}}}', "has 'x' twice"),
        ({"mcpServers": {" ": GOOD}}, "without a name"),
    ],
)
def test_a_file_that_is_wrong_as_a_whole_is_told(tmp_path: Path, whole: Any, words: str) -> None:
    with pytest.raises(McpConfigError) as caught:
        read(tmp_path, whole)
    assert str(caught.value).startswith(f"{tmp_path}/mcp.json: ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "key", "words"),
    [
        ("run", None, "has to be an object"),
        ({}, None, "neither of 'command' and 'url'"),
        ({"command": "run", "url": "http://x"}, None, "both of 'command' and 'url'"),
        ({"comand": "run"}, "comand", "is it 'command'?"),
        (GOOD | {"evn": {}}, "evn", "is it 'env'?"),
        (GOOD | {"envFile": ".env"}, "envFile", "is not supported"),
        (GOOD | {"time_out": 3}, "time_out", "is it 'timeout'?"),
        (GOOD | {"timeoutMs": 3000}, "timeoutMs", "is it 'timeout'?"),
        ({"command": 3}, "command", "has to be a text"),
        ({"command": " "}, "command", "is empty"),
        (GOOD | {"args": "-y"}, "args", "a list of texts"),
        (GOOD | {"args": ["-y", 3]}, "args[1]", "has to be a text"),
        (GOOD | {"env": ["A=b"]}, "env", "an object of texts"),
        (GOOD | {"env": {"A": True}}, "env.A", "has to be a text"),
        (GOOD | {"env": {"A": "${NOWHERE}"}}, "env.A", "variable NOWHERE, which is not set"),
        (GOOD | {"env": {"A": "${input:key}"}}, "env.A", "${input:key}, which nobody can fill in"),
        (GOOD | {"cwd": 3}, "cwd", "has to be a text"),
        (GOOD | {"type": "http"}, "type", "with 'command' it has to be 'stdio'"),
        ({"url": "http://x", "type": "stdio"}, "type", "with 'url' it has to be 'http'"),
        ({"url": "http://x", "type": "sse"}, "type", "replaced by streamable HTTP"),
        ({"url": "example.org/mcp"}, "url", "http:// or https://"),
        ({"url": "http://"}, "url", "and a host"),
        ({"url": "http://x", "headers": {"A": "${NOWHERE}"}}, "headers.A", "NOWHERE"),
        ({"url": "http://x", "headers": {"A": "x ${FROM_A_FILE}"}}, "headers.A", "a line break"),
        ({"url": "http://x", "headers": {"A": "${TOKEN} ☂"}}, "headers.A", "another character"),
        ({"url": "http://x", "headers": {"A B": "${TOKEN}"}}, "headers.A B", "no name"),
        (GOOD | {"timeout": "3"}, "timeout", "is '3'"),
        (GOOD | {"timeout": 0}, "timeout", "a number of seconds"),
        (GOOD | {"timeout": True}, "timeout", "a number of seconds"),
        (GOOD | {"timeout": 60000}, "timeout", "seconds up to 3600"),
        (GOOD | {"disabled": "yes"}, "disabled", "true or false"),
    ],
)
def test_a_mistake_is_told_with_file_server_and_key(
    tmp_path: Path, entry: Any, key: str | None, words: str
) -> None:
    with pytest.raises(McpConfigError) as caught:
        read(tmp_path, servers(good=GOOD, mine=entry))
    where = f"{tmp_path}/mcp.json, server 'mine'" + (f", key {key!r}: " if key else ": ")
    assert str(caught.value).startswith(where)
    assert words in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_keys_that_only_other_programs_know_are_passed_over(tmp_path: Path) -> None:
    more = {"alwaysAllow": ["x"], "autoApprove": [], "description": "mine", "dev": {}, "gallery": 1}
    more |= {"disabledTools": ["x"], "headersHelper": "x", "initTimeout": 3}
    assert read(tmp_path, servers(mine=GOOD | more)) == read(tmp_path, servers(mine=GOOD))


def test_the_environment_says_which_file_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = tmp_path / "checkout" / "mcp.json"
    monkeypatch.setattr("tools.client.config.DEFAULT_CONFIG", default)
    assert configured_servers({}) == []
    default.parent.mkdir()
    default.write_text(json.dumps(servers(mine=GOOD)))
    other = tmp_path / "other.json"
    other.write_text(json.dumps(servers(other=GOOD)))
    assert [server.name for server in configured_servers({})] == ["mine"]
    named = {"TASK_AGENT_MCP_CONFIG": str(other)}
    assert [server.name for server in configured_servers(named)] == ["other"]
    assert configured_servers({"TASK_AGENT_MCP_CONFIG": ""}) == []
    other.unlink()
    with pytest.raises(McpConfigError, match=r"TASK_AGENT_MCP_CONFIG names .*no such file"):
        configured_servers(named)
