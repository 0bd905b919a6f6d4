"""Faults on purpose, and the judge: a fault proxy, virtual clients, a seeded schedule of misfortunes, a history, a checker (reliability.md §2)."""
