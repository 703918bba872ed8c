"""The CSV format.

- ``format``: the plug-in.
- ``dialect``: detect delimiter, quotes and columns from the head.
- ``grammar``, ``pieces``: which records are regular, as patterns.
- ``scan``, ``readings``: records one after the other, and decisions on those that are not regular.
- ``quotes``: where records end if all quotes are regular, column-wise.
- ``framing``: where a block may end.
- ``decode``: a segment as a table of strings, and its rejects. ``fit`` reads text and fits ragged rows;
  ``listing`` sets apart what is no record of the table (``header_lines``, ``second_table``, ``values``);
  ``rewriting`` writes records so that Arrow can read them; ``reasons`` says why one is rejected.
- ``rules_1``: the reading of jobs that began under rules 1.
"""
