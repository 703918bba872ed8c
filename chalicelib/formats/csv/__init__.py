"""The CSV format.

- ``format``: the plug-in.
- ``dialect``: detect delimiter, quotes and columns from the head.
- ``records``: where records begin and end: Python's `csv`, which is the specification, and a fast equivalent.
- ``framing``: where a block may end.
- ``decode``: a segment as a table of strings, and its rejects.
"""
