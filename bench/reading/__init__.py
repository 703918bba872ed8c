"""How right files are read: labelled files from a seed, and how Sluice and other readers read them."""
