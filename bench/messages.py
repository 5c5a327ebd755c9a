"""Messages like people's and models', of which each run of the benchmark makes the same."""

import random
from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

# Texts which compress as people's do.
chance = random.Random(1)
SYLLABLES = [first + vowel for first in "bdfghklmnprstvwz" for vowel in ("a", "e", "i", "o", "un")]
VOCABULARY = ["".join(chance.choices(SYLLABLES, k=chance.choice((1, 2, 2, 3)))) for _ in range(900)]


def words(count: int) -> str:
    """So many words of no meaning."""
    return " ".join(chance.choices(VOCABULARY, k=count))


def asked() -> HumanMessage:
    """What a person says."""
    return HumanMessage(words(12))


def said(text: str, **more: Any) -> AIMessage:
    """A model's message, with what a provider's client puts into it."""
    prompt, answered = chance.randint(400, 9_000), chance.randint(20, 300)
    return AIMessage(
        text,
        id=f"lc_run--{uuid4()}",
        response_metadata={
            "token_usage": {
                "completion_tokens": answered,
                "prompt_tokens": prompt,
                "total_tokens": prompt + answered,
                "completion_tokens_details": {
                    "accepted_prediction_tokens": 0,
                    "audio_tokens": 0,
                    "reasoning_tokens": 0,
                    "rejected_prediction_tokens": 0,
                },
                "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 0},
            },
            "model_provider": "openai",
            "model_name": "gpt-5-mini-2025-08-07",
            "system_fingerprint": f"fp_{uuid4().hex[:10]}",
            "id": f"chatcmpl-{uuid4().hex}",
            "service_tier": "default",
            "finish_reason": "tool_calls" if more else "stop",
            "logprobs": None,
        },
        usage_metadata={
            "input_tokens": prompt,
            "output_tokens": answered,
            "total_tokens": prompt + answered,
            "input_token_details": {"audio": 0, "cache_read": 0},
            "output_token_details": {"audio": 0, "reasoning": 0},
        },
        **more,
    )


def conversation(length: int) -> list[AnyMessage]:
    """So many messages, by a person and a model in turns."""
    return [asked() if number % 2 == 0 else said(words(40)) for number in range(length)]
