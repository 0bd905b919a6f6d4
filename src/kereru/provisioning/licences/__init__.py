"""Licences: who may use the client at all (R112, R115), and the answer every client asks for first (R1)."""
