"""Restcomm / Telestax CPaaS (carriers.md §1)."""

from kereru.carriers.adapters.restcomm.adapter import RestcommAdapter

__all__ = ["RestcommAdapter"]
