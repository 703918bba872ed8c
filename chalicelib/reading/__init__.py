"""From an object to blocks of its text.

- ``range_reads``: read the object ahead, in ranges.
- ``compression``, ``encodings``: turn its bytes into text.
- ``head``: the beginning of the text, from which the format is detected.
- ``object_text``: the text as a stream.
- ``blocks``: cut the text at record borders; ``split_points``: divide a large file into ranges.
"""
