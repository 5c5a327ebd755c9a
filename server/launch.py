"""`task-agent dev`: LangGraph's dev server as a child process that never outlives its parent."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Timer
from types import FrameType
from typing import BinaryIO

import httpx

from .address import Address
from .errors import LaunchError
from .process import GRACE

PROJECT = Path(__file__).resolve().parent.parent

#: The folder that the server keeps its list of threads in, wherever it is started.
STATE = ".langgraph_api"

#: What the server is told unless the environment says otherwise: no news, no statistics, no chat.
QUIET = {
    "LANGGRAPH_NO_VERSION_CHECK": "1",
    "LANGGRAPH_CLI_NO_ANALYTICS": "1",
    "LOG_LEVEL": "warning",
}

#: What `LOG_LEVEL` may be, in small letters or capitals: Python's own levels.
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")

#: Warnings of libraries that nobody who runs the server can do anything about: LangGraph's server
#: asks for a durability in runs without a thread too, and sets structlog up as it warns against.
#: In the environment, since the process that reloads code starts another; each is the beginning
#: of a message, taken literally.
UNWANTED_WARNINGS = (
    "ignore:`durability` has no effect when no checkpointer is present:UserWarning",
    "ignore:Remove `format_exc_info` from your processor chain:UserWarning",
)

#: Seconds between two looks at a server that is starting.
POLL = 0.1


@dataclass(frozen=True, slots=True)
class Launch:
    """How the server is started."""

    address: Address
    #: Where the server keeps its list of threads, in a folder `.langgraph_api`.
    state: Path = PROJECT
    #: Whether it starts anew when a file of the checkout changes.
    reload: bool = False
    #: Runs that are worked on at the same time.
    jobs: int = 10

    def check(self) -> None:
        """See that the server can be started so.

        Raises:
            LaunchError: it can't; the message says what to ask for instead.
        """
        if _log_level().lower() not in LOG_LEVELS:
            raise LaunchError(
                f"LOG_LEVEL is {_log_level()!r}, but it has to be one of {', '.join(LOG_LEVELS)}. "
                "Set it to one of them, or leave it out."
            )
        self.address.check_free()
        if self.reload and self.state != PROJECT:
            raise LaunchError(
                "--reload watches the directory that the server runs in, so it can't be combined "
                "with --state. Leave one of them out."
            )
        try:
            (self.state / STATE).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LaunchError(
                f"cannot keep the list of threads in {self.state}: {error.strerror}. Name a "
                "directory that can be written to with --state."
            ) from error

    def command(self, pipe: int) -> list[str]:
        options = {
            "--config": PROJECT / "langgraph.json",
            "--host": self.address.host,
            "--port": self.address.port,
            "--n-jobs-per-worker": self.jobs,
            "--server-log-level": _log_level().upper(),
        }
        return [
            *(sys.executable, "-P", "-m", "server.process", str(pipe)),
            *(str(word) for option in options.items() for word in option),
            "--no-browser",
            *(() if self.reload else ("--no-reload",)),
        ]


def serve(launch: Launch, on_ready: Callable[[], None]) -> int:
    """Run the server until it ends or is told to, and return its exit code.

    Must be called in the main thread: SIGINT, SIGTERM and SIGHUP are passed on to the server. When
    this process is killed in any other way, the server ends by itself.

    Args:
        launch: what to start.
        on_ready: called once, when the server answers for the first time.

    Returns:
        0 when it ended because it was told to; else the server's own exit code, 128 and the number
        of the signal when one killed it.
    """
    reading, writing = os.pipe()
    with open(writing, "wb") as lifeline:
        try:
            child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                launch.command(reading),
                cwd=launch.state,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                pass_fds=[reading],
                # A group of its own, so that Ctrl-C reaches it once, from here: at the second one
                # it drops what it is doing.
                process_group=0,
            )
        finally:
            os.close(reading)
        with _passing_signals(child, lifeline) as told_to_stop:
            if _wait_until_ready(child, launch.address, told_to_stop):
                on_ready()
            code = child.wait()
    if told_to_stop.is_set():
        return 0
    return code if code >= 0 else 128 - code


def _environment() -> dict[str, str]:
    colours = {} if sys.stdout.isatty() else {"LOG_COLOR": "false"}
    # Python takes the last that fits: what the environment asks for goes before ours.
    warnings = ",".join(filter(None, (*UNWANTED_WARNINGS, os.environ.get("PYTHONWARNINGS"))))
    ours = {"LOG_LEVEL": _log_level(), "PYTHONWARNINGS": warnings}
    return {**QUIET, **colours, **os.environ, **ours}


def _log_level() -> str:
    return os.environ.get("LOG_LEVEL") or QUIET["LOG_LEVEL"]


@contextmanager
def _passing_signals(child: "subprocess.Popen[bytes]", lifeline: BinaryIO) -> Iterator[Event]:
    """Have signals that would end this process end the server, and set the event when one comes.

    A server that is slow to end is cut off its lifeline, which it doesn't survive for long.
    """
    told_to_stop = Event()
    patience = Timer(GRACE, lifeline.close)
    patience.daemon = True

    def pass_on(number: int, _: FrameType | None) -> None:
        if told_to_stop.is_set():
            child.send_signal(number)
            return
        told_to_stop.set()
        # While it is still starting, SIGINT would make Python print a traceback.
        child.terminate()
        patience.start()

    before = {
        number: signal.signal(number, pass_on)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield told_to_stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        patience.cancel()


def _wait_until_ready(
    child: "subprocess.Popen[bytes]", address: Address, told_to_stop: Event
) -> bool:
    # Not by way of a proxy that the environment names.
    with httpx.Client(trust_env=False, timeout=5) as client:
        while child.poll() is None and not told_to_stop.is_set():
            with suppress(httpx.TransportError):
                if client.get(f"{address.url}/health").is_success:
                    return True
            with suppress(subprocess.TimeoutExpired):
                child.wait(POLL)
    return False
