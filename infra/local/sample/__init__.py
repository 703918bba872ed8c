"""The file that the demonstration loads, and the script that makes it."""
