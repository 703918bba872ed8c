"""From decoded values to rows: normalise, print as canonical JSON, hash."""
