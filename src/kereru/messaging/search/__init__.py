"""Search over a person's own conversations."""
