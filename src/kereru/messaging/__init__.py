"""Conversations and messages: what came in, what goes out, what became of it, and who may still be texted.

Owns the tables of 0004_messaging.sql and the functions of 0006 and 0007. `inbound/` takes texts and receipts from the carriers' webhooks,
`delivery/` hands texts to carriers. Invariants: one conversation per assignment and remote number (R38, P2); a text is handed over at most once
unless the hand-over surely failed (G10); a status is a pure function of hand-over and receipts (G19); every change is in its owner's feed.
"""
