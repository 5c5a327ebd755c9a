"""`make bench-reading`: pages of conversations and messages, and searches, in a million messages.

What counts is the time in the server, as it tells it itself for each statement that a page takes;
beside it stands the time until the caller has the page, and the pages of 8 KB that were looked at.
"""

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Callable, Iterator

import psycopg
from rich.console import Console
from rich.table import Table
from sqlmodel.ext.asyncio.session import AsyncSession

from bench.__main__ import fresh_database
from bench.crowd import fill, vocabulary
from bench.plans import Read, plans
from bench.server import bench_server
from storage.conversations import find_conversation, last_messages, recent_conversations
from storage.database import Database, connect
from storage.search import search_messages
from storage.settings import DatabaseSettings

#: Milliseconds in the server that a page may take, in the median.
BOUND = 5.0

#: Ranks of words in a list that begins with the commonest, which most messages of a model hold.
COMMON, MIDDLING, RARE = (0, 50), (50, 1_000), (1_000, 40_000)

#: Makes the next reading of a kind: another user, another word.
Make = Callable[[], Read]


def conversations(owner: Callable[[], str], after: str | None = None) -> Make:
    """A page of a user's latest 20 conversations."""

    def make() -> Read:
        user = owner()
        return lambda session: recent_conversations(session, limit=20, user=user, after=after)

    return make


def messages(thread: Callable[[], str], before: str | None = None) -> Make:
    """A page of the last 50 messages of a thread."""

    def make() -> Read:
        name = thread()

        async def read(session: AsyncSession) -> object:
            conversation = await find_conversation(session, name)
            return await last_messages(session, conversation.id, before=before)

        return read

    return make


def search(owner: Callable[[], str], words: Callable[[], str]) -> Make:
    """The newest 20 hits of a search."""

    def make() -> Read:
        user, searched = owner(), words()

        async def read(session: AsyncSession) -> object:
            return await search_messages(session, user, searched)

        return read

    return make


def readings(
    users: int, conversations_: int, cursors: tuple[str, str]
) -> Iterator[tuple[str, Make]]:
    """Everything that is measured; the cursors are those of the pages before the eleventh."""
    chance = random.Random(4)
    said = vocabulary()

    def word(ranks: tuple[int, int]) -> str:
        return said[chance.randrange(*ranks)]

    def anybody() -> str:
        # As who talks more searches more: drawn like the owner of a conversation.
        return f"user {int(users ** chance.random())}"

    def any_thread() -> str:
        return f"thread {chance.randrange(conversations_) + 1}"

    owners = (("anybody", anybody), ("user 1", lambda: "user 1"))
    for name, owner in owners:
        yield f"20 conversations, {name}", conversations(owner)
    yield "the eleventh page of them", conversations(lambda: "user 1", cursors[0])
    yield "last 50 messages, any thread", messages(any_thread)
    yield "last 50 messages, longest thread", messages(lambda: "thread 1")
    yield "the eleventh page of them", messages(lambda: "thread 1", cursors[1])
    for name, owner in owners:
        # A full stop after a word says that it is all of the word.
        yield f"search: common word, {name}", search(owner, lambda: f"{word(COMMON)}.")
        yield f"search: middling word, {name}", search(owner, lambda: f"{word(MIDDLING)}.")
        yield f"search: rare word, {name}", search(owner, lambda: f"{word(RARE)}.")
        yield (
            f"search: two words, {name}",
            search(owner, lambda: f"{word(COMMON)} {word(MIDDLING)}."),
        )
        yield f"search: beginning of a word, {name}", search(owner, lambda: word(MIDDLING)[:4])
        yield (
            f"search: phrase, {name}",
            search(owner, lambda: f'"{word(COMMON)} {word(COMMON)}"'),
        )
        yield f"search: no such word, {name}", search(owner, lambda: "nobodysaysthis")


async def eleventh(session: AsyncSession) -> tuple[str, str]:
    """Cursors of the ten pages before the eleventh: of `user 1`, and of the longest thread."""
    conversation = await find_conversation(session, "thread 1")
    after = (await recent_conversations(session, limit=200, user="user 1"))[-1].cursor
    return after, (await last_messages(session, conversation.id, limit=500))[0].cursor


async def measure(database: Database, make: Make, times: int) -> tuple[list[float], ...]:
    """Milliseconds in the server, milliseconds for the caller, and pages looked at."""
    in_server, for_caller, looked_at = [], [], []
    for _ in range(times):
        read = make()
        async with database.session() as session:
            began = time.perf_counter()
            await read(session)
            for_caller.append((time.perf_counter() - began) * 1e3)
        found = await plans(database, read)
        in_server.append(sum(plan.milliseconds for plan in found))
        looked_at.append(float(sum(plan.pages for plan in found)))
    return in_server, for_caller, looked_at


async def run(url: str, users: int, conversations_: int, times: int) -> Table:
    table = Table(title=f"in ms; at most {BOUND:g} in the server is what is wanted of the median")
    for column in ("", "server p50", "p95", "caller p50", "p95", "8 KB pages p50", ""):
        table.add_column(column, justify="right" if column else "left")
    async with connect(url, DatabaseSettings(database_url=None)) as database:
        async with database.session() as session:
            cursors = await eleventh(session)
        for name, make in readings(users, conversations_, cursors):
            measured = await measure(database, make, times)
            cells = []
            for values in measured:
                cells += [statistics.median(values), statistics.quantiles(values, n=20)[-1]]
            table.add_row(
                name,
                *(f"{cell:.1f}" for cell in cells[:4]),
                f"{cells[4]:.0f}",
                "" if cells[0] <= BOUND else "above",
            )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.reading", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=40, help="readings of each kind")
    parser.add_argument("--url", help="of a database that a run has filled, to leave as it is")
    options = parser.parse_args()
    conversations_, users = options.messages // 50, options.messages // 500
    console = Console(width=120)
    if options.url:
        console.print(asyncio.run(run(options.url, users, conversations_, options.times)))
        return
    with bench_server() as server, fresh_database(server) as url:
        console.print(f"Writing {options.messages:,} messages, which takes some minutes.")
        with psycopg.connect(url, autocommit=True) as connection:
            fill(
                connection,
                messages=options.messages,
                conversations=conversations_,
                users=users,
            )
        console.print(asyncio.run(run(url, users, conversations_, options.times)))


if __name__ == "__main__":
    main()
