"""Carriers: the one place that speaks each carrier's language.

Owns the adapter contract, the adapters, the carriers' webhook entry, segment arithmetic and number forms. It knows parts, addresses and
outcomes, never conversations or people.
"""
