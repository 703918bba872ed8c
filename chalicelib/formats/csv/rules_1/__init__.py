"""CSV under rules 1, in which jobs that began under them are finished.

Python's `csv` is the specification: a quote that closes too early, or that RFC 4180 does not have, is read
leniently. Nothing here changes any more.

- ``records``: where records begin and end: Python's `csv`, and a fast equivalent.
- ``framing``: where a block may end.
- ``decode``: a segment as a table of strings, and its rejects.
"""
