"""The benchmark: speed as ratios within one run, memory as the peak of the whole process. See `__main__`."""
