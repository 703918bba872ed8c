"""From decoded values to rows.

- ``text``: normalise one text (the specification); ``rules``: further rules that an upload declares.
- ``normalise``: the same for whole columns.
- ``canonical``: print one record as canonical JSON (the specification).
- ``flat``, ``nested``: the same for columns of strings and for nested columns.
- ``identify``: hash canonical JSON and sort the rows.
- ``formulas``: the escape that keeps spreadsheet programs from taking a text for a formula.
- ``columns``: helpers for Arrow columns.
"""
