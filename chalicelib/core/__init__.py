"""The domain: jobs, their lifecycle, errors. Pure data and rules, without I/O."""
