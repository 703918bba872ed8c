"""Detect the dialect of a CSV file by evidence.

- ``sample``: the lines of the head, split into records under a hypothesis.
- ``table``: the table in these records: its header, its width, and how the rows lie under the header.
- ``names``: names of columns that tell what stands below them.
- ``evidence``: how good a hypothesis is.
- ``choice``: the best one, or a refusal to choose.
- ``decimals``: the columns of numbers with a decimal comma.
"""
