"""The plugin, in a pytest of its own."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

RECORDING = Path(__file__).parents[1] / "replays" / "add_a_task.json"

TEST = """
def test_it(recorded_conversation):
    assert recorded_conversation.title == "Add a task to buy milk tomorrow at 9, high priority"

def test_something_else():
    pass
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(TEST)
    pytester.mkdir("replays")
    return pytester


def run(project: pytest.Pytester) -> pytest.RunResult:
    return project.runpytest_inprocess(
        "-p", "replay.plugin", "-p", "no:cacheprovider", "-p", "no:asyncio", "-v"
    )


def test_a_test_is_run_once_for_each_recording(project: pytest.Pytester) -> None:
    text = RECORDING.read_text(encoding="utf-8")
    for name in ("one", "two"):
        (project.path / "replays" / f"{name}.json").write_text(text, encoding="utf-8")
    changed = text.replace('"title": "Add', '"title": "And', 1)
    (project.path / "replays" / "three.json").write_text(changed, encoding="utf-8")

    result = run(project)

    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*test_it?one? PASSED*", "*test_it?three? FAILED*"])


def test_a_folder_without_recordings_is_an_error(project: pytest.Pytester) -> None:
    assert run(project).ret == pytest.ExitCode.INTERRUPTED


def test_a_file_that_is_no_recording_is_an_error(project: pytest.Pytester) -> None:
    (project.path / "replays" / "one.json").write_text("{}", encoding="utf-8")

    assert run(project).ret == pytest.ExitCode.INTERRUPTED
