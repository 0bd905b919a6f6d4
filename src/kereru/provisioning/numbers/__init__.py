"""Numbers and their assignments: checked and set up at the carrier, held by one user at a time (R143 to R158, P71, Q17)."""
