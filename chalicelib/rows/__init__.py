"""From decoded values to rows.

- ``text``: normalises one text (the specification); ``rules``: what an upload declares beyond that.
- ``normalise``: the same for whole columns.
- ``canonical``: prints one record as canonical JSON (the specification).
- ``flat``, ``nested``: the same for columns of strings and for nested columns.
- ``identify``: hashes canonical JSON and sorts the rows.
- ``columns``: helpers for Arrow columns.
"""
