"""Sluice: turns uploaded files into clean, deduplicated rows in Postgres."""

__version__ = "0.1.0"
