"""Homes, holders in processes of their own, and what `ps` says, for the embedded server's tests."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import psycopg
import pytest

from storage.embedded import hold, locks
from storage.embedded.home import Home, open_home

CHECKOUT = Path(__file__).parents[2]

IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(
    not IS_ROOT, reason="only root can become another user, or mount a disk"
)
needs_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="needs /proc, or what only Linux's kernel does"
)

#: Holds the home until its standard input ends.
HOLD = """
import sys
from pathlib import Path
from storage.embedded import hold
with hold(Path(sys.argv[1])) as uri:
    print(uri, flush=True)
    sys.stdin.read()
"""


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} seconds in vain until {what}"
        time.sleep(0.01)


def quick_directory() -> str | None:
    """A directory in memory, where there is a roomy one; else the one for temporary files.

    A data directory has 1,300 files; most of the tests' time would go into writing them to disk.
    """
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        return None
    state = os.statvfs(memory)
    # Containers have 64 MB there, and often a ban on programs.
    roomy = state.f_bavail * state.f_frsize > 2 * 1024**3
    return str(memory) if roomy and not state.f_flag & os.ST_NOEXEC else None


@contextmanager
def fresh_home(name: str = "home") -> Iterator[Path]:
    """A home that doesn't exist yet, where the server's account can reach it.

    That is not so below pytest's `tmp_path`, which only its owner may enter.
    """
    base = Path(tempfile.mkdtemp(prefix="embedded-", dir=quick_directory()))
    base.chmod(0o755)
    home = base / name
    try:
        yield home
        await_stop(home)
    finally:
        shutil.rmtree(base, ignore_errors=True)


@contextmanager
def used_home(name: str = "home") -> Iterator[Path]:
    """A home whose server ran before: quicker than a fresh one, since nothing has to be made."""
    with fresh_home(name) as home:
        open_home(home)
        subprocess.run(["cp", "-a", _data_to_copy(), Home(home).data], check=True)
        yield home


@cache
def _data_to_copy() -> Path:
    with ExitStack() as stack:
        home = stack.enter_context(fresh_home())
        with hold(home):
            pass
        await_stop(home)
        atexit.register(stack.pop_all().close)
    return Home(home).data


def is_stopped(home: Path) -> bool:
    """Whether neither a keeper nor a server, nor any process of it, is left."""
    files = Home(home)
    if not files.keeper_lock.exists():
        return True
    return not (locks.is_taken(files.keeper_lock) or locks.is_taken(files.server_lock))


def await_stop(home: Path) -> None:
    wait_until(lambda: is_stopped(home), f"the server of {home} stops")


@contextmanager
def python(
    script: str,
    *arguments: str | Path,
    environment: Mapping[str, str] | None = None,
    own_session: bool = False,
) -> Iterator[subprocess.Popen[str]]:
    """Another Python, in the checkout, with pipes; killed at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
        env={**os.environ, **(environment or {})},
        start_new_session=own_session,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def searched_first(directory: Path) -> dict[str, str]:
    """The environment of a Python that looks for modules there first."""
    places = filter(None, [str(directory), os.environ.get("PYTHONPATH")])
    return {"PYTHONPATH": os.pathsep.join(places)}


@contextmanager
def holding(
    home: Path, *, environment: Mapping[str, str] | None = None, own_session: bool = False
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that holds the home, and the URI that it was given."""
    with python(HOLD, home, environment=environment, own_session=own_session) as process:
        yield process, line_of(process)


def line_of(process: subprocess.Popen[str]) -> str:
    """The next line that the process prints."""
    assert process.stdout is not None
    line = process.stdout.readline().rstrip("\n")
    if not line:
        assert process.stderr is not None
        process.kill()
        pytest.fail(f"the process printed nothing, but this as errors:\n{process.stderr.read()}")
    return line


@contextmanager
def all_holding(home: Path, count: int) -> Iterator[list[str]]:
    """Several processes that begin to hold the home at once, and their URIs."""
    with ExitStack() as stack:
        processes = [stack.enter_context(python(HOLD, home)) for _ in range(count)]
        yield [line_of(process) for process in processes]


def error_of_hold(home: Path, environment: Mapping[str, str] | None = None) -> str:
    """The message of the error that another process gets when it holds the home."""
    script = """
import sys
from pathlib import Path
from storage.embedded import EmbeddedPostgresError, hold
try:
    with hold(Path(sys.argv[1])):
        pass
except EmbeddedPostgresError as error:
    print(error)
else:
    sys.exit("the home could be held")
"""
    with python(script, home, environment=environment) as process:
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        return output


def query(uri: str, statement: str) -> str:
    """The one value that the statement yields."""
    with psycopg.connect(uri) as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return str(row[0])


def answers(uri: str) -> bool:
    try:
        return query(uri, "SELECT 'yes'") == "yes"
    except psycopg.OperationalError:
        return False


def postmaster(home: Path) -> int:
    """The postmaster's process id."""
    running = Home(home).read_running()
    assert running is not None, f"no server is running for {home}"
    return running.pid


def keeper(home: Path) -> int:
    """The keeper's process id."""
    (pid,) = [pid for pid, command in processes(home).items() if "embedded.keeper" in command]
    return pid


def processes(home: Path) -> dict[int, str]:
    """The processes whose command line names the home."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=", "-o", "args="], capture_output=True, text=True, check=True
    )
    rows = (line.split(maxsplit=1) for line in listed.stdout.splitlines())
    return {int(row[0]): row[1] for row in rows if len(row) == 2 and f"{home}" in row[1]}


def is_alive(pid: int) -> bool:
    """Whether the process runs. One that has ended may stay listed until its parent asks."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False)
    return state.stdout.strip()[:1] not in (b"", b"Z")


def starts(home: Path) -> int:
    """How often a server was started in the home."""
    return Home(home).log.read_text().count("starting PostgreSQL")
