"""Feeds and their delivery: an ordered, resumable list of changes for each audience, pushed to whoever is looking (design §6)."""
