"""Restcomm as its documents describe it (carriers.md §1): account, numbers, applications, sending, log, webhooks."""
