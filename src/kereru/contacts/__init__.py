"""Contacts: people's own, the colleagues of their group, and who a number belongs to in whose eyes (R54 to R58, R65 to R67, R73, Q15)."""
