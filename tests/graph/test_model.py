"""Which model answers, and a real client against a provider that misbehaves."""

from collections.abc import AsyncIterator, Iterator

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models._client_utils import _cached_async_httpx_client
from pydantic import SecretStr

from graph.answers import read_answer
from graph.data import as_returned
from graph.errors import ModelNotConfiguredError, ModelRefusedError, ModelUnavailableError
from graph.model import OFFLINE, ConfiguredModels, model_errors
from graph.offline import OfflineModel
from graph.settings import DEFAULT_MODEL, AgentSettings
from storage.database import Database
from tests.graph.provider import Provider, Refusal, Stream, call, serving, text
from tests.graph.support import agent, say
from tests.storage.support import fetch, texts

KEY = SecretStr("sk-test")


@pytest.fixture
def provider() -> Iterator[Provider]:
    with serving() as provider:
        yield provider


@pytest.fixture
async def models(provider: Provider) -> AsyncIterator[ConfiguredModels]:
    """The provider's model; its connections are closed in the loop that they were opened in."""
    models = ConfiguredModels(
        AgentSettings(openai_base_url=provider.url, model="test", model_timeout=20)
    )
    yield models
    model = await models.get(None)
    assert isinstance(model, ChatOpenAI)
    await model.root_async_client.close()
    # LangChain keeps the client for the next model at this address, which a later test may have.
    _cached_async_httpx_client.cache_clear()


# Which one


@pytest.mark.parametrize(
    ("settings", "asked", "answers"),
    [
        (AgentSettings(), None, OFFLINE),
        (AgentSettings(), OFFLINE, OFFLINE),
        (AgentSettings(openai_api_key=KEY), None, DEFAULT_MODEL),
        (AgentSettings(openai_base_url="http://127.0.0.1:1/v1"), None, DEFAULT_MODEL),
        (AgentSettings(openai_api_key=KEY, model="gpt-x"), None, "gpt-x"),
        (AgentSettings(openai_api_key=KEY, model="gpt-x"), "gpt-y", "gpt-y"),
        (AgentSettings(openai_api_key=KEY, model="gpt-x"), OFFLINE, OFFLINE),
        (AgentSettings(openai_api_key=KEY, model=OFFLINE), None, OFFLINE),
    ],
)
def test_the_model_is_the_one_asked_for_or_configured(
    settings: AgentSettings, asked: str | None, answers: str
) -> None:
    assert ConfiguredModels(settings).resolve(asked) == answers


@pytest.mark.parametrize(
    ("settings", "asked"), [(AgentSettings(model="gpt-x"), None), (AgentSettings(), "gpt-x")]
)
def test_the_offline_model_never_answers_in_the_place_of_another(
    settings: AgentSettings, asked: str | None
) -> None:
    with pytest.raises(ModelNotConfiguredError, match="OPENAI_API_KEY"):
        ConfiguredModels(settings).resolve(asked)


def test_settings_come_from_the_environment_and_hide_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("TASK_AGENT_MODEL", "gpt-x")
    monkeypatch.setenv("TASK_AGENT_TIME_ZONE", "")
    settings = AgentSettings()
    assert (settings.model, settings.time_zone, settings.has_provider) == ("gpt-x", None, True)
    assert "sk-secret" not in repr(settings)


def test_a_zone_that_does_not_exist_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TASK_AGENT_TIME_ZONE", "Mars/Base")
    with pytest.raises(ValueError, match="Mars/Base"):
        AgentSettings()


async def test_a_model_is_made_once() -> None:
    source = ConfiguredModels(AgentSettings())
    model = await source.get(None)
    assert isinstance(model, OfflineModel)
    assert await source.get(OFFLINE) is model


# Over the wire


async def test_a_streamed_answer_with_calls_is_put_together(
    models: ConfiguredModels, provider: Provider
) -> None:
    provider.answers.append(
        Stream(
            [
                text("Let me "),
                text("see."),
                call("", id="c1", name="add_tasks"),
                call('{"title": "Buy'),
                call(' milk"}'),
                call("{}", index=1, id="c2", name="find_tasks"),
            ],
            finish="tool_calls",
        )
    )
    model = await models.get(None)
    answer = await read_answer(model.astream("hello"))
    assert answer.text == "Let me see."
    assert [(c["name"], c["args"], c["id"]) for c in answer.tool_calls] == [
        ("add_tasks", {"title": "Buy milk"}, "c1"),
        ("find_tasks", {}, "c2"),
    ]
    assert answer.invalid_tool_calls == []


@pytest.mark.parametrize("finish", ["length", "tool_calls", None])
@pytest.mark.parametrize("arguments", ['{"title": "Buy milk and', '{"title": "Buy" "milk"}', "[1]"])
async def test_arguments_that_are_not_an_object_are_never_repaired(
    models: ConfiguredModels, provider: Provider, finish: str | None, arguments: str
) -> None:
    provider.answers.append(
        Stream([call("", id="c1", name="add_tasks"), call(arguments)], finish=finish)
    )
    model = await models.get(None)
    answer = await read_answer(model.astream("hello"))
    assert answer.tool_calls == []
    (invalid,) = answer.invalid_tool_calls
    assert (invalid["id"], invalid["name"], invalid["args"]) == ("c1", "add_tasks", arguments)


async def test_a_cut_off_call_is_sent_back_to_the_provider_as_the_protocol_wants_it(
    database: Database, models: ConfiguredModels, provider: Provider
) -> None:
    provider.answers += [
        Stream([call('{"title": "Buy milk and', id="c1", name="add_tasks")], finish="length"),
        Stream(
            [call('{"tasks": [{"title": "Buy milk"}]}', id="c2", name="add_tasks")],
            finish="tool_calls",
        ),
        Stream([text("Added.")]),
    ]
    async with agent(database, models=models) as graph:
        messages = await say(graph, "add milk")
    assert texts(messages)[-1] == "Added."
    assert await fetch(database, "SELECT title FROM tasks") == [{"title": "Buy milk"}]
    sent = provider.requests[1]["messages"]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "tool"]
    assert sent[2]["tool_calls"][0]["id"] == sent[3]["tool_call_id"] == "c1"


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_provider_that_is_overloaded_for_a_moment_is_asked_again(
    models: ConfiguredModels, provider: Provider, status: int
) -> None:
    provider.answers += [Refusal(status), Stream([text("Hello.")])]
    model = await models.get(None)
    assert (await read_answer(model.astream("hello"))).text == "Hello."


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([Refusal(429)] * 3, ModelUnavailableError),
        ([Refusal(503)] * 3, ModelUnavailableError),
        ([Refusal(401)], ModelRefusedError),
        ([Refusal(404)], ModelRefusedError),
        ([Refusal(400, "context length exceeded")], ModelRefusedError),
        ([Stream([text("Hel")], raw="data: {not json\n\n")], ModelUnavailableError),
        ([Stream([text("Hel")], cut=True)], ModelUnavailableError),
    ],
)
async def test_failures_are_told_apart_by_whether_another_try_makes_sense(
    models: ConfiguredModels,
    provider: Provider,
    answers: list[Stream | Refusal],
    error: type[Exception],
) -> None:
    provider.answers += answers
    model = await models.get(None)
    with pytest.raises(error, match="test"), model_errors("test"):
        await read_answer(model.astream("hello"))


async def test_a_provider_that_is_not_there_is_unavailable() -> None:
    settings = AgentSettings(openai_base_url="http://127.0.0.1:9/v1", model="test")
    model = await ConfiguredModels(settings).get(None)
    with pytest.raises(ModelUnavailableError), model_errors("test"):
        await read_answer(model.astream("hello"))


async def test_the_conversation_that_the_provider_sees_is_the_stored_one(
    database: Database, models: ConfiguredModels, provider: Provider
) -> None:
    provider.answers += [
        Stream(
            [call('{"tasks": [{"title": "Buy milk"}]}', id="c1", name="add_tasks")],
            finish="tool_calls",
        ),
        Stream([text("Added.")]),
        Stream([text("You are welcome.")]),
    ]
    async with agent(database, models=models) as graph:
        await say(graph, "add milk")
        messages = await say(graph, "thanks")
    answer = messages[2]
    assert isinstance(answer, ToolMessage)
    assert isinstance(messages[-1], AIMessage)
    sent = provider.requests[-1]["messages"]
    assert [message["role"] for message in sent] == [
        "system", "user", "assistant", "tool", "assistant", "user",
    ]  # fmt: skip
    assert sent[3]["content"] != answer.text
    assert as_returned(sent[3]["content"]) == answer.text
