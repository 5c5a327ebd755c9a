"""How much of another server's answer comes into the conversation.

A tool may return a whole file or database. Every later call of the model would carry it along, and
one that its window can't hold would cost the conversation. So there is a limit, and the model is
told what was cut, since half a result that looks whole is worse than none.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from mcp.types import CallToolResult, ContentBlock, ImageContent, TextContent

from .calls import text_of

#: Images of one result: providers refuse a request with too many.
IMAGES_MAX = 20

CUT = (
    "[This result was too long: only the first {kept} of {whole} characters are here.{json} Call "
    "the tool again for less at a time, with a filter or a page, if you need the rest.]"
)
CUT_JSON = " It is JSON that breaks off in the middle, so what is counted or missing is not known."
CUT_HERE = "[cut off here]"
IMAGE_LEFT_OUT = "[an image of {size} bytes, left out: {why}]"
LEFT_OUT = "{whole} characters of structured content, more than the limit of {limit}"


@dataclass(frozen=True, slots=True)
class ResultLimits:
    """What one result may hold."""

    #: Characters of text, and of structured content as JSON.
    characters: int = 100_000
    #: Bytes of images, all together.
    image_bytes: int = 5 * 1024 * 1024


def limited(result: CallToolResult, limits: ResultLimits) -> CallToolResult:
    """The answer, or as much of it as may be kept, with words for the model about the rest."""
    content, structured = result.content, result.structuredContent
    as_json = "" if structured is None else json.dumps(structured, ensure_ascii=False)
    if not content and as_json:
        # The model reads the content and nothing else.
        content = [TextContent(type="text", text=as_json)]
    if len(as_json) > limits.characters:
        left_out = LEFT_OUT.format(whole=len(as_json), limit=limits.characters)
        structured = {"left_out": left_out}
    blocks = _shortened(list(_few_images(content, limits)), limits.characters)
    return result.model_copy(update={"content": blocks, "structuredContent": structured})


def _few_images(content: Iterable[ContentBlock], limits: ResultLimits) -> Iterable[ContentBlock]:
    """The blocks, with words in place of images that are too great or too many."""
    bytes_left, count_left = limits.image_bytes, IMAGES_MAX
    for block in content:
        if not isinstance(block, ImageContent):
            yield block
            continue
        size = len(block.data) * 3 // 4 - block.data[-2:].count("=")
        if size > bytes_left or not count_left:
            why = (
                f"the limit for the images of a result is {limits.image_bytes} bytes"
                if size > bytes_left
                else f"a result may have {IMAGES_MAX} images"
            )
            yield TextContent(type="text", text=IMAGE_LEFT_OUT.format(size=size, why=why))
            continue
        bytes_left, count_left = bytes_left - size, count_left - 1
        yield block


def _shortened(blocks: list[ContentBlock], limit: int) -> list[ContentBlock]:
    """The blocks up to so many characters of text, with a line break between two; all images."""
    texts = [None if isinstance(block, ImageContent) else text_of(block) for block in blocks]
    written = [text for text in texts if text is not None]
    whole = sum(map(len, written)) + max(0, len(written) - 1)
    if whole <= limit:
        return blocks
    kept: list[ContentBlock] = []
    left = limit
    broken = ""
    for block, text in zip(blocks, texts, strict=True):
        if text is None:
            kept.append(block)
        elif left > 0 and not broken:
            kept.append(TextContent(type="text", text=text[:left]))
            broken = text if len(text) > left else ""
            left -= len(text) + 1
    told = CUT.format(kept=limit, whole=whole, json=CUT_JSON if _looks_like_json(broken) else "")
    before, after = TextContent(type="text", text=told), TextContent(type="text", text=CUT_HERE)
    return [before, *kept, after]


def _looks_like_json(text: str) -> bool:
    """Whether it probably is; to be sure it would have to be read, however long it is."""
    bare = text.strip()
    return (bare[:1], bare[-1:]) in (("{", "}"), ("[", "]"))
