"""A conversation with a running server, over LangGraph's SDK."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient
from langgraph_sdk.errors import APIConnectionError, APIStatusError
from langgraph_sdk.schema import Command, Context, StreamMode

from .errors import RunFailedError, ServerUnreachableError, ThreadNotFoundError
from .parts import Part, Question, calls_in, messages_in, question_in, use_in, words_in

GRAPH = "task_agent"

#: The words as they come, and what each node has added once it is done.
STREAM: Sequence[StreamMode] = ("messages-tuple", "updates")


class Chat:
    """One thread of the server's, made when the first message is sent unless one is given."""

    def __init__(
        self, client: SyncLangGraphClient, url: str, thread_id: str | None, context: Context
    ) -> None:
        self._client = client
        #: Where the server is.
        self.url = url
        self._context = context
        #: The thread's id; none before the first message of a new one.
        self.thread_id = thread_id
        self._calls: dict[str, Mapping[str, Any]] = {}

    def turn(self, text: str) -> Iterator[Part]:
        """Say something, and give the answer as it comes; a question is the last thing that comes.

        Should the caller stop listening, the server finishes the turn all the same.

        Raises:
            ServerUnreachableError: the connection could not be made, or broke.
            RunFailedError: the server refused the message, or the run failed.
        """
        with self._errors():
            if self.thread_id is None:
                self.thread_id = self._client.threads.create(graph_id=GRAPH)["thread_id"]
            said = {"messages": [{"role": "user", "content": text}]}
            yield from self._run(self.thread_id, said, None)

    def decide(self, question: Question, decisions: Sequence[Mapping[str, Any]]) -> Iterator[Part]:
        """Answer a question, and give what follows as it comes.

        Args:
            question: the one that waits; if it is no more, the answer does nothing.
            decisions: one for each of its actions, in their order.

        Raises:
            ServerUnreachableError: the connection could not be made, or broke.
            RunFailedError: the server refused the answer, or the run failed.
        """
        if self.thread_id is None:
            raise RunFailedError("nothing can be decided before something was said.")
        answer = {question.id: {"decisions": list(decisions)}}
        with self._errors():
            yield from self._run(self.thread_id, None, {"resume": answer})

    def waiting(self) -> Question | None:
        """The question that the thread was left with, if there is one.

        Raises:
            ServerUnreachableError: the connection could not be made, or broke.
            RunFailedError: the server refused.
        """
        if self.thread_id is None:
            return None
        with self._errors():
            state: Any = self._client.threads.get_state(self.thread_id)
        for message in (state["values"] or {}).get("messages", ()):
            self._calls |= calls_in(message)
        return question_in(state["interrupts"])

    def _run(
        self, thread_id: str, said: dict[str, Any] | None, command: Command | None
    ) -> Iterator[Part]:
        heard: set[str] = set()
        for part in self._client.runs.stream(
            thread_id,
            GRAPH,
            input=said,
            command=command,
            context=self._context,
            stream_mode=STREAM,
            on_disconnect="continue",
            multitask_strategy="enqueue",
        ):
            match part.event:
                case "messages":
                    yield from words_in(part.data[0], heard)
                case "updates":
                    for message in messages_in(part.data):
                        yield from words_in(message, heard, whole=True)
                        self._calls |= calls_in(message)
                        if use := use_in(message, self._calls):
                            yield use
                    if question := question_in(part.data.get("__interrupt__") or ()):
                        yield question
                case "error":
                    raise RunFailedError(f"the run failed: {_reason(part.data)}")

    def check(self) -> None:
        """Make sure that the server is there, and knows the thread.

        Raises:
            ServerUnreachableError: no server answers at the URL.
            ThreadNotFoundError: it has no such thread.
            RunFailedError: what answers is not LangGraph's server, or it refuses.
        """
        self._knock()
        if self.thread_id is None:
            return
        with self._errors():
            try:
                self._client.threads.get(self.thread_id)
            except APIStatusError as error:
                # 422: it isn't even the form of a thread's id.
                if error.status_code not in (404, 422):
                    raise
                raise ThreadNotFoundError(
                    f"the server at {self.url} has no thread {self.thread_id!r}. "
                    "`task-agent conversations` lists those in the database; without --thread a "
                    "new one begins."
                ) from error

    def _knock(self) -> None:
        # Not by way of the client, which tries for seven seconds before it gives up, nor of a proxy
        # that the environment names.
        try:
            answer = httpx.get(f"{self.url}/ok", trust_env=False)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error
        if not answer.is_success or "ok" not in answer.text:
            raise RunFailedError(
                f"what answers at {self.url} is not LangGraph's server: HTTP {answer.status_code} "
                "for /ok. `task-agent dev` starts one; --url says where it is."
            )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except APIConnectionError as error:
            raise self._unreachable(error) from error
        except APIStatusError as error:
            raise RunFailedError(
                f"the server at {self.url} answered HTTP {error.status_code}: {_words_of(error)} "
                "Is it the task agent's? `task-agent dev` starts one."
            ) from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> ServerUnreachableError:
        return ServerUnreachableError(
            f"no answer from {self.url}: {_words_of(error)} "
            "Start the server with `task-agent dev`, or say with --url where it is."
        )


@contextmanager
def open_chat(url: str, thread_id: str | None, context: Context) -> Iterator[Chat]:
    """A conversation with the server at `url`, on a thread of its or on a new one.

    Raises:
        ChatError: as `Chat.check` says.
    """
    # Paths are appended to it, and the server knows none that begins with two slashes.
    url = url.rstrip("/")
    # No key: those that the environment may hold are LangSmith's, and no business of the server's.
    with get_sync_client(url=url, api_key=None) as client:
        chat = Chat(client, url, thread_id, context)
        chat.check()
        yield chat


def _reason(data: Any) -> str:
    if not isinstance(data, Mapping):
        return _sentence(str(data))
    return _sentence(str(data.get("message") or data.get("error") or "it did not say why"))


def _words_of(error: Exception) -> str:
    return _sentence(str(error) or type(error).__name__)


def _sentence(words: str) -> str:
    return words if words.endswith((".", "!", "?")) else f"{words}."
