"""The user's own consent to texting with a number: the question, its three answers, the reset, and the evidence (R4 to R20, Q1, Q16, Q26)."""
