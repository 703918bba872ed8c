"""Sluice: turns uploaded files into clean, deduplicated rows in Postgres."""

# The only place: pyproject.toml reads it from here, the client from what is installed.
__version__ = "0.1.0"
