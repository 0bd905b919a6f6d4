"""Kererū: self-hosted business texting for phone companies, their resellers and their customers."""

__version__ = "0.1.0"
