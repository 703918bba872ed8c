"""File formats. Each package recognises, frames and decodes one format."""
