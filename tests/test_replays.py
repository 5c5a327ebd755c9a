"""Every recording in `replays/` runs again to the same messages and rows; see its `record.py`."""

from replay.compare import compare, report
from replay.player import replay
from replay.recording import Recording
from storage.database import Database

pytest_plugins = ["replay.plugin"]


async def test_a_recorded_conversation_runs_again(
    recorded_conversation: Recording, database: Database
) -> None:
    replayed = await replay(recorded_conversation, database)

    differences = compare(recorded_conversation, replayed)

    assert not differences, report(differences)
