"""What another server answers with more than a conversation can hold is cut, and the model told."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from mcp.types import CallToolResult

from graph.settings import AgentSettings
from tests.tools.others import call
from tests.tools.test_wrong_servers import answers, asking, tool
from tools.client.calls import message
from tools.client.limits import ResultLimits, limited

LIMITS = ResultLimits(characters=1000, image_bytes=3000)
PIXELS = base64.b64encode(b"x" * 1500).decode()
IMAGE = {"type": "image", "data": PIXELS, "mimeType": "image/png"}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def taken(*content: Any, **more: Any) -> ToolMessage:
    """What the agent gets of such an answer."""
    result = CallToolResult.model_validate({"content": content, **more})
    return message(limited(result, LIMITS), "look", "call")


async def test_a_result_without_end_does_not_come_into_the_conversation(tmp_path: Path) -> None:
    answers(tmp_path, tool("look"), call={"content": [text("begin " + "x" * 3_000_000)]})
    async with asking(tmp_path) as tools:
        answer = await call(tools, "look")
    assert answer.status == "success"
    assert "begin xxx" in answer.text
    assert len(answer.text) < ResultLimits().characters + 500
    assert "3000006 characters" in answer.text


async def test_an_error_without_end_is_cut_as_well(tmp_path: Path) -> None:
    content = [text("x" * 3_000_000)]
    answers(tmp_path, tool("look"), call={"content": content, "isError": True})
    async with asking(tmp_path) as tools:
        answer = await call(tools, "look")
    assert answer.status == "error"
    assert len(answer.text) < ResultLimits().characters + 500


@pytest.mark.parametrize(
    "content",
    [
        [text("x" * 1000)],
        [text("x" * 500), text("y" * 499)],
        [IMAGE, IMAGE],
        [text("{" + "x" * 998 + "}"), IMAGE],
        [],
    ],
)
def test_what_is_within_the_limit_stays_as_it_is(content: list[Any]) -> None:
    result = CallToolResult.model_validate({"content": content, "structuredContent": {"a": 1}})
    assert limited(result, LIMITS) == result or not content


def test_the_model_is_told_before_and_where_text_was_cut() -> None:
    words = taken(text("a" * 600), text("b" * 600), text("c" * 600)).text
    assert words.count("a" * 600) == 1
    assert "b" * 399 in words
    assert "b" * 400 not in words
    assert "c" * 10 not in words
    # Before it, since a model may read no further, and behind it, where it breaks off.
    assert words.index("first 1000 of 1802 characters") < words.index("a" * 600)
    assert words.endswith("[cut off here]")


def test_json_that_was_cut_is_not_taken_for_whole() -> None:
    words = taken(text(json.dumps([{"n": n} for n in range(500)]))).text
    assert "JSON" in words.partition("\n")[0]
    assert words.endswith("[cut off here]")
    with pytest.raises(json.JSONDecodeError):
        json.loads(words)


def test_structured_content_is_left_out_whole_or_not_at_all() -> None:
    great, small = {"rows": ["x" * 100] * 20}, {"rows": ["x" * 100] * 2}
    whole = taken(text("Some rows."), structuredContent=small)
    assert whole.artifact == {"structured_content": small}
    left_out = taken(text("Some rows."), structuredContent=great)
    assert left_out.text == "Some rows."
    told = left_out.artifact["structured_content"]["left_out"]
    assert str(len(json.dumps(great, ensure_ascii=False))) in told


def test_structure_without_text_is_what_the_model_reads() -> None:
    assert json.loads(taken(structuredContent={"rows": [1, 2]}).text) == {"rows": [1, 2]}
    words = taken(structuredContent={"rows": list(range(1000))}).text
    assert "JSON" in words.partition("\n")[0]
    assert words.endswith("[cut off here]")


def test_images_that_are_too_much_are_named_and_the_others_stay() -> None:
    great = {**IMAGE, "data": base64.b64encode(b"x" * 4000).decode()}
    content = taken(great, IMAGE, text("between"), IMAGE, IMAGE).content
    assert isinstance(content, list)
    kinds = [block["type"] for block in content if isinstance(block, dict)]
    assert kinds == ["text", "image", "text", "image", "text"]
    assert "4000 bytes" in content[0]["text"]  # type: ignore[index]
    assert "left out" in content[4]["text"]  # type: ignore[index]


def test_many_small_images_are_too_much_as_well() -> None:
    dot = {**IMAGE, "data": "eA=="}
    content = taken(*[dot] * 1000).content
    assert isinstance(content, list)
    assert 0 < sum(block["type"] == "image" for block in content if isinstance(block, dict)) < 50
    assert len(str(content)) < 20_000


def test_resources_and_links_count_as_the_text_that_they_are_shown_as() -> None:
    file = {"type": "resource", "resource": {"uri": "file:///a", "text": "x" * 3000}}
    link = {"type": "resource_link", "name": "y" * 3000, "uri": "https://example.org/"}
    blob = {"type": "resource", "resource": {"uri": "file:///b", "blob": PIXELS * 10}}
    for block in (file, link):
        words = taken(block).text
        assert len(words) < 1500
        assert words.endswith("[cut off here]")
    assert taken(blob).text == "[a file that can't be shown here: file:///b]"


def test_blocks_without_anything_in_them_are_not_kept_without_end() -> None:
    words = taken(*[text("")] * 5000, text("the last")).text
    assert len(words) < 1500
    assert words.endswith("[cut off here]")


@pytest.mark.parametrize("name", ["TASK_AGENT_RESULT_LIMIT", "TASK_AGENT_IMAGE_LIMIT"])
def test_the_limits_are_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "7")
    settings = AgentSettings()
    assert 7 in (settings.result_limit, settings.image_limit)
    monkeypatch.setenv(name, "-1")
    with pytest.raises(ValueError, match=name):
        AgentSettings()
