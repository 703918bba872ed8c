"""`python -m chalicelib.keys`: see :mod:`chalicelib.entrypoints.keys`."""

import sys

from chalicelib.entrypoints.keys import main

if __name__ == "__main__":
    sys.exit(main())
