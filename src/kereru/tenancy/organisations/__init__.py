"""Providers, resellers and groups in the portal (R186): looked at, made, changed, moved, deleted."""
