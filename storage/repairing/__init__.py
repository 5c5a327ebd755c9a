"""Mending what verifying finds, as far as it follows from what is still there."""

from .repair import Repaired, repair

__all__ = ["Repaired", "repair"]
