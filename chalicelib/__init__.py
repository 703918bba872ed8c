"""Sluice: turns uploaded files into clean, deduplicated rows in Postgres."""
