"""Redacting a message whose calls a person was asked about."""

import pytest
from langchain_core.messages import AIMessage

from storage.database import Database
from tests.graph.shed import APPROVE, REJECT, Shed, decide, edit
from tests.graph.support import agent, calling, say
from tests.storage.support import active_branch
from tests.storage.test_redacting import assert_sound, forget, found

THING = "the ladder behind the Xyzzy"


EDIT = edit("remove", thing="the saw in the shed")
REASON = {"type": "reject", "message": "the saw in the shed will do"}


@pytest.mark.parametrize("answer", [None, APPROVE, REJECT, EDIT, REASON])
async def test_no_question_keeps_what_the_calls_of_a_redacted_message_were_made_with(
    database: Database, answer: dict[str, object] | None
) -> None:
    script = (calling(("remove", {"thing": THING})), AIMessage("Done."))
    async with agent(database, *script, toolbox=Shed()) as graph:
        await say(graph, "throw it away")
        if answer is not None:
            await decide(graph, answer)
        assert await found(database, THING) != []
        for row in (await active_branch(database, "t"))[1:]:
            await forget(database, row["id"])
        assert await found(database, THING) == await found(database, "the saw in the shed") == []
        await assert_sound(database)
