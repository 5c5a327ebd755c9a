"""A pytest plugin: every recording in the folder `replays` beside a test's file is a test.

    pytest_plugins = ["replay.plugin"]

    async def test_it_runs_again(recorded_conversation, database):
        differences = compare(
            recorded_conversation, await replay(recorded_conversation, database)
        )
        assert not differences, report(differences)

A test that takes `recorded_conversation` is run once for each recording, under the name of its
file. `database` is a fixture of the tests' own: an open `storage.database.Database` on a migrated
database that holds nothing.
"""

import pytest

from .recording import Recording

ARGUMENT = "recorded_conversation"
FOLDER = "replays"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes a recording once for each.

    Raises:
        InvalidRecordingError: a file is not a recording.
    """
    if ARGUMENT not in metafunc.fixturenames:
        return
    folder = metafunc.definition.path.parent / FOLDER
    files = sorted(folder.glob("*.json"))
    if not files:
        raise pytest.UsageError(
            f"{metafunc.definition.name} takes a recording, but there is none in {folder}. Make "
            "one with `task-agent replay export THREAD -o FILE`."
        )
    metafunc.parametrize(
        ARGUMENT,
        [Recording.from_json(file.read_text(encoding="utf-8")) for file in files],
        ids=[file.stem for file in files],
    )
