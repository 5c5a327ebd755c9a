"""Which chat model answers, and what its failures mean."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import httpx
from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr

from .errors import ModelNotConfiguredError, ModelRefusedError, ModelUnavailableError
from .offline import OfflineModel
from .settings import DEFAULT_MODEL, AgentSettings

OFFLINE = "offline"


class ModelSource(Protocol):
    """Where the agent gets its model from."""

    async def get(self, name: str | None) -> BaseChatModel:
        """The model of that name, or the one that runs use when they name none."""
        ...


class ConfiguredModels:
    """The models that the settings allow, each made once."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self._models: dict[str, BaseChatModel] = {}

    def resolve(self, name: str | None) -> str:
        """The name of the model that answers when `name` is asked for.

        The offline model is never put in the place of one that somebody configured or asked for.

        Raises:
            ModelNotConfiguredError: another model was named, and there is no key or server for it.
        """
        settings = self._settings
        wanted = name or settings.model
        if wanted is None:
            return DEFAULT_MODEL if settings.has_provider else OFFLINE
        if wanted != OFFLINE and not settings.has_provider:
            raise ModelNotConfiguredError(
                f"the model {wanted!r} was asked for, but neither OPENAI_API_KEY nor "
                "OPENAI_BASE_URL is set. Set one of them and start again, or ask for the model "
                f"{OFFLINE!r}."
            )
        return wanted

    async def get(self, name: str | None) -> BaseChatModel:
        resolved = self.resolve(name)
        if resolved not in self._models:
            # Making a client reads certificates from disk, which would block the server's loop.
            self._models[resolved] = await asyncio.to_thread(self._make, resolved)
        return self._models[resolved]

    def _make(self, name: str) -> BaseChatModel:
        if name == OFFLINE:
            return OfflineModel()
        # Only here: it takes a second to import.
        from langchain_openai import ChatOpenAI

        settings = self._settings
        return ChatOpenAI(
            model=name,
            # Servers of one's own often need no key, but the client insists on one.
            api_key=settings.openai_api_key or SecretStr("not-needed"),
            base_url=settings.openai_base_url,
            timeout=settings.model_timeout,
            max_retries=2,
        )


@contextmanager
def model_errors(name: str) -> Iterator[None]:
    """Turn what the client library raises into the two errors that matter to a run.

    Raises:
        ModelUnavailableError: worth another try: the network, overload, a broken stream.
        ModelRefusedError: not worth one: a wrong key, an unknown model, a request too long.
    """
    try:
        yield
    except Exception as error:
        if (known := _explained(name, error)) is None:
            raise
        raise known from error


def _explained(name: str, error: Exception) -> Exception | None:
    # Imported by now if a provider's model was called; it takes a second, which the server's start
    # and runs with the offline model need not spend.
    import openai

    if isinstance(
        error, (openai.RateLimitError, openai.InternalServerError, openai.APIConnectionError)
    ):
        return ModelUnavailableError(
            f"the model {name!r} could not answer: {error}. Try again in a moment."
        )
    if isinstance(error, openai.APIStatusError):
        return ModelRefusedError(
            f"the model {name!r} refused the request with HTTP {error.status_code}: {error}. "
            "Check OPENAI_API_KEY, OPENAI_BASE_URL and the model's name."
        )
    # A cut stream, or a malformed piece of one, reaches us as it is.
    if isinstance(
        error, (httpx.TransportError, openai.APIError, json.JSONDecodeError, TimeoutError)
    ):
        return ModelUnavailableError(
            f"the answer of the model {name!r} broke off: {type(error).__name__}: {error}. "
            "Try again in a moment."
        )
    return None
