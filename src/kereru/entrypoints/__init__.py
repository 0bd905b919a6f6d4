"""Wiring only: the command line, the process supervisor, the embedded PostgreSQL. No domain words."""
