"""Inteliquent (now Sinch): Message Broker and Services API 2.0.0 (carriers.md §2)."""

from kereru.carriers.adapters.inteliquent.adapter import InteliquentAdapter

__all__ = ["InteliquentAdapter"]
