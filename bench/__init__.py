"""Measurements: speed as ratios within the same run, memory as the whole process's peak. See `__main__`."""
