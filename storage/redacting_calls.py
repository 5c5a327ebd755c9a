"""Which rows answer which calls, for a message to be forgotten that asked for one or answers one.

What a call was made with stands in the message that asked for it, and once more in the audit record
of its answer. Another branch may ask for the same call anew, so an answer belongs to the nearest
message before it that asks for its call.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import AsyncCursor
from psycopg.rows import DictRow

SELECT_CALLS = """
    SELECT id, parent_id, role,
           jsonb_path_query_array(tool_calls, '$[*].id ? (@ != "" && @ != null)') AS calls
    FROM messages WHERE conversation_id = ANY(%s)
"""
SELECT_ARGUMENTS = """
    SELECT call -> 'arguments' AS arguments
    FROM messages m CROSS JOIN jsonb_array_elements(m.tool_calls) AS call
    WHERE m.id = %s AND call ->> 'id' = %s LIMIT 1
"""
BLANK_ARGUMENTS = """
    UPDATE messages SET tool_calls = jsonb_set(tool_calls, '{0,arguments}', '{}')
    WHERE id = ANY(%s) AND tool_calls -> 0 -> 'arguments' <> '{}'
"""


@dataclass(frozen=True, slots=True)
class CallTree:
    """The rows of some conversations, with the ids of the calls that each asks for or answers."""

    rows: Mapping[UUID, Mapping[str, Any]]

    @classmethod
    async def read(cls, cur: AsyncCursor[DictRow], conversations: Collection[UUID]) -> "CallTree":
        await cur.execute(SELECT_CALLS, (list(conversations),))
        return cls({row["id"]: row for row in await cur.fetchall()})

    def asker(self, answer: UUID, call_id: str) -> UUID | None:
        """The message that asked for the call which a row answers; none where there is none."""
        seen = {answer}
        above = self.rows.get(self.rows[answer]["parent_id"])
        # Should somebody have bent the parents into a circle, it ends all the same.
        while above is not None and above["id"] not in seen:
            if above["role"] == "assistant" and call_id in (above["calls"] or ()):
                asker: UUID = above["id"]
                return asker
            seen.add(above["id"])
            above = self.rows.get(above["parent_id"])
        return None

    def answers(self, asking: Collection[UUID]) -> list[tuple[UUID, UUID, str]]:
        """The rows that answer a call of one of these messages, with the message and the call."""
        return [
            (id_, asker, call_id)
            for id_, row in self.rows.items()
            if row["role"] == "tool"
            for call_id in row["calls"] or ()
            if (asker := self.asker(id_, call_id)) is not None and asker in asking
        ]

    def unanswered(self, asking: Collection[UUID]) -> int:
        """How many calls of these messages no row answers."""
        answered = {(asker, call_id) for _, asker, call_id in self.answers(asking)}
        return sum(
            (id_, call_id) not in answered
            for id_ in asking
            if self.rows[id_]["role"] == "assistant"
            for call_id in self.rows[id_]["calls"] or ()
        )


async def blank_records(cur: AsyncCursor[DictRow], tree: CallTree, asking: Collection[UUID]) -> int:
    """Blank the arguments in the answers to what these messages asked for; in how many."""
    await cur.execute(BLANK_ARGUMENTS, ([id_ for id_, _, _ in tree.answers(asking)],))
    return cur.rowcount


async def blank_calls(
    cur: AsyncCursor[DictRow], tree: CallTree, row: DictRow, text: str
) -> list[dict[str, Any]] | None:
    """`tool_calls` as it is written for a row that is blanked; its result is `text` then.

    What an answered call was made with is the assistant's message, not this one, and stays. What a
    person decided about the call is in the tool's message, and goes with it; so does what they made
    of the arguments.
    """
    calls: list[dict[str, Any]] = row["tool_calls"] or []
    if row["role"] != "tool":
        return [
            {**call, "arguments": "{}", "error": None}
            if "error" in call
            else {**call, "arguments": {}}
            for call in calls
        ] or None
    records = [{**call, "result": text} for call in calls]
    for record in records:
        decision = record.pop("decision", None)
        if isinstance(decision, dict) and "edited_action" in decision:
            call_id = str(record.get("id"))
            await cur.execute(SELECT_ARGUMENTS, (tree.asker(row["id"], call_id), call_id))
            asked = await cur.fetchone()
            record["arguments"] = asked and asked["arguments"]
    return records or None
