"""The offline model: a chat model without a network, which understands plain task commands."""

from .model import OfflineModel

__all__ = ["OfflineModel"]
