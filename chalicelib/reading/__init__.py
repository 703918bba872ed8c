"""From an object to blocks of its text.

- ``range_reads``: read the object ahead, in ranges.
- ``compression``, with ``members`` and ``zip_archive``, and ``encodings``: turn its bytes into text.
- ``zero_bytes``: recognise UTF-16 and UTF-32.
- ``likely_encodings``: say how bytes that are not UTF-8 may read.
- ``signatures``: name other kinds of files.
- ``head``: the beginning of the text, from which the format is detected.
- ``object_text``: the text as a stream.
- ``blocks``: cut the text at record borders; ``split_points``: divide a large file into ranges.
"""
