"""The newline-delimited JSON format: one object a line.

- ``format``: the plug-in.
- ``framing``: where a block may end.
- ``decode``: a segment as batches, and its rejects.

Reading records is JSON's: see :mod:`chalicelib.formats.json`.
"""
