"""The JSON format: an array of objects, or objects one after another, over any lines.

- ``format``: the plug-in.
- ``units``: where values begin and end.
- ``framing``: where a block may end.
- ``decode``: a segment as batches, and its rejects.
- ``envelope``, ``scanner``: where records inside an envelope are, by their path.

NDJSON shares these:

- ``parse``: one record as Python values (the specification).
- ``columns``, ``shape``: many records as a table.
- ``batch``: records that were read together, and the others, which are parsed one by one.
- ``hints``, ``first_records``, ``evidence``: whether the records of a file look like envelopes.
"""
