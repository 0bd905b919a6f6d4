"""Whom a user does not want to hear from (R129 to R131, Q13): blocked texts are kept out of sight, counted, and never shown, not even afterwards."""
