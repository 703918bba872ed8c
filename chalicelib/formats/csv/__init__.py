"""The CSV format.

- ``format``: the plug-in.
- ``dialect``: the dialect of a file, and what was assumed; ``detection`` weighs the evidence.
- ``header``: the header's cells, and the keys that they become. ``values``: cells that hold values of a type.
- ``grammar``, made of ``pieces``: the patterns of records. ``quotes``: a fast equivalent for regular text.
- ``framing``: where a block may end. ``scan`` decides on records that are not regular, by ``lenient_parser``.
- ``arrow``: regular text read by Arrow.
- ``decode``: a segment as a table of strings, and its rejects. ``fit`` fits ragged rows; ``listing``,
  ``entries``, ``header_lines``, ``inner_headers``, ``second_table``, ``rewriting`` and ``reasons`` are for
  closer looks. ``explain`` says where a record seems to have a cell too many or too few.
- ``rejects_file``: the file of a job's rejects, read again. ``reject_cells``: the cells that stand in it.
- ``rules_1``: the same for jobs that began under rules 1.
"""
