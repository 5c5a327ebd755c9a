"""An MCP server over stdio that answers what a file tells it, right or wrong.

Run as `python bare_server.py DIRECTORY`. `answers.json` there has the results by their methods, and
is read at each request; each call is a line in `calls`, and before its answer it is told that the
tools are others now.
"""

import json
import sys
from pathlib import Path
from typing import Any


def main(directory: Path) -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if "id" not in request:
            continue
        if request["method"] == "tools/call":
            with (directory / "calls").open("a") as file:
                file.write(f"{request['params']['name']}\n")
            say(method="notifications/tools/list_changed")
        say(id=request["id"], result=result(directory, request))


def say(**message: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def result(directory: Path, request: dict[str, Any]) -> Any:
    if request["method"] == "initialize":
        return {
            "protocolVersion": request["params"]["protocolVersion"],
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": "bare", "version": "1"},
        }
    return json.loads((directory / "answers.json").read_text()).get(request["method"], {})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
