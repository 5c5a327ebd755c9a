"""Where the server lives: any path, any locale, and nothing left outside."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from storage.embedded import EmbeddedPostgresError, default_home, hold
from storage.embedded.home import Home
from storage.settings import libpq_uri, parse_url
from tests.storage.embedded_support import (
    IS_ROOT,
    answers,
    await_stop,
    fresh_home,
    holding,
    line_of,
    python,
    query,
    starts,
    used_home,
    wait_until,
)


@pytest.fixture
def home() -> Iterator[Path]:
    with used_home() as path:
        yield path


@pytest.mark.parametrize(
    "name",
    [
        "with a space",
        'it\'s "quoted"',
        "grüße-日本語",
        "a,comma",
        "50%41?x=y&z#@:",
        "back\\slash $HOME *",
        # A socket's path may have some hundred bytes.
        "long" * 40,
    ],
)
def test_the_server_runs_in_a_home_of_any_name(name: str) -> None:
    with fresh_home(name) as home:
        with hold(home) as uri:
            assert query(uri, "SHOW data_directory") == str(Home(home).data.resolve())
            # SQLAlchemy reads the URI too, and what it writes is still right.
            url = make_url(uri).set(drivername="postgresql+psycopg")
            engine = create_engine(url)
            with engine.connect() as connection:
                found = connection.execute(text("SELECT current_database()")).scalar_one()
            engine.dispose()
            assert found == "task_agent"
            assert answers(libpq_uri(parse_url(uri).set(database="postgres")))
        await_stop(home)


def test_the_socket_of_a_home_with_a_long_name_goes_with_the_server() -> None:
    with fresh_home("long" * 40) as home:
        with hold(home):
            outside = Home(home).sockets.readlink()
            assert outside.stat().st_mode & 0o777 == 0o700
            assert len(os.fsencode(outside)) < 90
        await_stop(home)
        assert not outside.exists()
        assert not Home(home).sockets.is_symlink()


def test_a_home_may_be_moved_while_its_server_is_down(home: Path) -> None:
    with hold(home):
        pass
    await_stop(home)
    for name in ("long" * 40, "short"):
        moved = home.with_name(name)
        home.rename(moved)
        with hold(moved) as uri:
            assert query(uri, "SELECT 1") == "1"
        await_stop(moved)
        home = moved
    home.rename(home.with_name("home"))


def test_two_names_of_a_home_are_one_server(home: Path) -> None:
    link = home.with_name("link")
    link.symlink_to(home)
    with hold(home) as uri, hold(link) as by_link, holding(link) as (_, in_another_process):
        assert uri == by_link == in_another_process
    await_stop(home)
    assert starts(home) == 1


def test_a_locale_that_is_not_installed_is_no_obstacle() -> None:
    missing = dict.fromkeys(("LC_ALL", "LANG", "LC_MESSAGES", "LC_COLLATE"), "xx_YY.UTF-8")
    with fresh_home() as home, holding(home, environment=missing) as (_, uri):
        assert query(uri, "SHOW server_encoding") == "UTF8"
        # PostgreSQL's own locale: letters beyond ASCII have two cases on every system.
        assert query(uri, "SELECT upper('é')") == "É"


def test_a_time_zone_of_the_users_is_not_the_servers(home: Path) -> None:
    with holding(home, environment={"TZ": "Asia/Tokyo", "PGTZ": "Asia/Tokyo"}) as (_, uri):
        assert query(uri, "SHOW timezone") == "UTC"


def test_the_home_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("TASK_AGENT_HOME", "~/agent")
    assert default_home() == Path("/home/somebody/agent")
    monkeypatch.setenv("TASK_AGENT_HOME", "")
    assert default_home().name == "langgraph-task-agent"


@pytest.mark.skipif(IS_ROOT, reason="root has no data directory that the server could reach")
def test_the_home_is_in_the_users_data_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TASK_AGENT_HOME", raising=False)
    assert default_home().parent == platformdirs.user_data_path()


@pytest.mark.skipif(not IS_ROOT or sys.platform != "linux", reason="the path is root's, on Linux")
def test_the_home_of_root_is_where_other_accounts_can_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TASK_AGENT_HOME", raising=False)
    assert default_home() == Path("/var/lib/langgraph-task-agent")


def test_the_environment_names_the_home_that_is_held(home: Path) -> None:
    with python(
        "import sys; from storage.embedded import hold\n"
        "with hold() as uri: print(uri, flush=True); sys.stdin.read()",
        environment={"TASK_AGENT_HOME": str(home)},
    ) as process:
        uri = line_of(process)
        with hold(home) as held_here:
            assert held_here == uri


def test_a_large_log_makes_way_for_a_new_one(home: Path) -> None:
    log = Home(home).log
    log.write_bytes(b"x" * 6_000_000)
    with hold(home):
        assert log.stat().st_size < 100_000
        assert (home / "postgres.log.1").stat().st_size == 6_000_000


def test_the_log_holds_what_the_server_says(home: Path) -> None:
    with hold(home) as uri:
        with pytest.raises(Exception, match="no_such_table"):
            query(uri, "SELECT 1 FROM no_such_table")
        wait_until(lambda: "no_such_table" in Home(home).log.read_text(), "the log tells")


def test_a_relative_home_is_found_again_from_elsewhere(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home.parent)
    with hold(Path(home.name)) as uri:
        monkeypatch.chdir("/")
        with hold(home) as again:
            assert again == uri


def test_windows_is_told_to_use_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(EmbeddedPostgresError, match="DATABASE_URL"), hold(Path("unused")):
        pass
