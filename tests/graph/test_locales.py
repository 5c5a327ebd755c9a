"""Dates are read as the person writes them, from the run's context to the row of the task."""

from datetime import UTC, datetime
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from graph.agent import task_origin
from graph.clock import call_time
from graph.context import Context, locale_of
from graph.offline import OfflineModel
from graph.settings import AgentSettings
from replay.scripted import ScriptedModel
from storage.database import Database
from tests.graph.support import added, agent, calling, results, say
from tests.storage.support import fetch
from tools.client import TaskTools

DUE = "SELECT title, (due_at AT TIME ZONE due_zone)::date::text AS due FROM tasks"
NAMES = ("de-AT", "en-US", "en-FR", "zh-Hant-TW", "es-419", "sr-Latn", "de")
NO_NAMES = ("germany", "C", "POSIX", "de_AT.UTF-8", "zz-ZZ", "de AT", "../../etc", "x" * 600)


class InNovember:
    """It is always a morning in November."""

    def now(self, call_id: str | None = None) -> datetime:
        return datetime(2026, 11, 25, 8, tzinfo=UTC)


async def said(database: Database, text: str, **more: Any) -> list[BaseMessage]:
    """What becomes of a message to the offline model."""
    context = Context(time_zone="Europe/Vienna", **more)
    async with agent(database, model=OfflineModel(), clock=InNovember()) as graph:
        return await say(graph, text, context=context)


async def test_a_date_in_figures_is_read_as_the_person_writes_it(database: Database) -> None:
    messages = await said(database, "add dentist on 15.3.", locale="de-AT")
    assert added(messages)[0]["due"] == "2027-03-15"
    assert await fetch(database, DUE) == [{"title": "dentist", "due": "2027-03-15"}]


@pytest.mark.parametrize(("locale", "due"), [("de-AT", "2027-04-03"), ("en-US", "2027-03-04")])
async def test_the_locale_says_which_figure_is_the_day(
    database: Database, locale: str, due: str
) -> None:
    assert added(await said(database, "add dentist on 3/4", locale=locale))[0]["due"] == due


async def test_without_a_locale_a_date_that_could_be_two_days_is_asked_about(
    database: Database,
) -> None:
    messages = await said(database, "add dentist on 3/4")
    assert "3 April or 4 March" in str(messages[-1].text)
    assert await fetch(database, DUE) == []


async def test_the_prompt_and_the_answers_of_the_tools_name_the_locale(
    database: Database,
) -> None:
    for locale in ("de-AT", None):
        model = ScriptedModel([calling(("get_overview", {}), ids=f"{locale}"), AIMessage("Here.")])
        async with agent(database, model=model) as graph:
            messages = await say(graph, "hello", f"{locale}", Context(locale=locale))
        (answer,) = (message for message in messages if isinstance(message, ToolMessage))
        assert answer.additional_kwargs.get("locale") == locale
        assert ("de-AT" in model.asked[0].prompt[0].text) == (locale is not None)


async def test_a_run_that_names_no_locale_has_that_of_the_settings(database: Database) -> None:
    settings = AgentSettings(time_zone="Europe/Vienna", locale="de-AT")
    tools = TaskTools(
        lambda: database,
        clock=call_time,
        origin=task_origin,
        locale=lambda: locale_of(None, settings),
    )
    add = ("add_tasks", {"tasks": [{"title": "dentist", "due": "3/4"}]})
    script = (calling(add), AIMessage("Done."))
    try:
        async with agent(
            database, *script, toolbox=tools, settings=settings, clock=InNovember()
        ) as graph:
            messages = await say(graph, "add the dentist")
    finally:
        await tools.aclose()
    assert results(messages)[0]["results"][0]["task"]["due"] == "2027-04-03"


@pytest.mark.parametrize("name", NAMES)
def test_a_locale_is_any_language_with_a_region_or_without(name: str) -> None:
    assert Context(locale=name).locale == name


def test_a_locale_is_kept_in_its_usual_form() -> None:
    assert Context(locale="de_at").locale == "de-AT"
    assert AgentSettings(locale="DE").locale == "de"
    assert Context(locale="") == Context()


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_locale_is_refused_with_its_name_and_an_example(name: str) -> None:
    with pytest.raises(ValueError, match="use a BCP 47 name such as de-AT") as refused:
        Context(locale=name)
    assert repr(name) in str(refused.value)


def test_a_locale_that_does_not_exist_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TASK_AGENT_LOCALE", "germany")
    with pytest.raises(ValueError, match="germany"):
        AgentSettings()
