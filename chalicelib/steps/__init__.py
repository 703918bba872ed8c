"""The path of a file from bytes to identified rows; each step takes the step before's output.

source → blocks → csv_decode | ndjson → clean → identify; `transform` strings the middle ones together.
"""
