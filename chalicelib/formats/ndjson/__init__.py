"""The newline-delimited JSON format."""
