"""The commands: one module for each group of them, and the session that they share."""
