"""Platforms, numbers, who may text with which: what has to be true before a text can be sent or shown (R1 to R20, R116 to R158)."""
