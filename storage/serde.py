"""The serialiser of the checkpointer: LangGraph's own, in a form that its server can work with."""

from collections.abc import Iterable
from typing import Self

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer


class GraphSerializer(JsonPlusSerializer):
    """Restores LangChain's and LangGraph's own types, and those that a graph's state declares.

    LangGraph tells a checkpointer which types a graph's state declares, and wants a clone of the
    checkpointer back that restores those too. The server wraps a checkpointer of one's own in an
    object that can't be cloned: `copy.copy` of it recurses until Python gives up, and with it each
    run of a graph that has a sub-graph. A checkpointer is only cloned where its serialiser was, so
    this one learns the types itself.
    """

    def __init__(self) -> None:
        super().__init__(allowed_msgpack_modules=None)

    @classmethod
    def like(cls, serde: JsonPlusSerializer) -> Self:
        """One that restores what `serde` restores."""
        same = cls()
        same.__dict__.update(serde.__dict__)
        return same

    def with_msgpack_allowlist(
        self, extra_allowlist: Iterable[tuple[str, ...] | type]
    ) -> JsonPlusSerializer:
        """From now on, restore these types too."""
        wider = super().with_msgpack_allowlist(extra_allowlist)
        self.__dict__.update(wider.__dict__)
        return self


def graph_serializer(serde: SerializerProtocol | None) -> SerializerProtocol:
    """What a checkpointer serialises with when it was given `serde`, which is left as it is."""
    if serde is None:
        return GraphSerializer()
    if isinstance(serde, EncryptedSerializer):
        return EncryptedSerializer(serde.cipher, graph_serializer(serde.serde))
    if type(serde) is JsonPlusSerializer:
        return GraphSerializer.like(serde)
    return serde
