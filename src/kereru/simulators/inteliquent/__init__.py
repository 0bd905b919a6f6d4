"""Inteliquent as its documents describe it (carriers.md §2): the message broker and the Services API, with separate keys."""
