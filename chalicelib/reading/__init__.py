"""From an object to blocks of text: range reads, decompression, transcoding, cutting at record borders."""
