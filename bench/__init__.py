"""Measurements: speed as a ratio to plain COPY in the same run, memory as the whole process's peak."""
