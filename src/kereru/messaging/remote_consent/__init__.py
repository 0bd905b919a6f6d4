"""Consent of the remote party, seen and set: who asked a group for no more texts, wishes to judge, and what HELP answers (G35, P30 to P36)."""
