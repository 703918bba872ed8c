"""`python -m chalicelib.migrate`: see :mod:`chalicelib.entrypoints.migrate`."""

import sys

from chalicelib.entrypoints.migrate import main

if __name__ == "__main__":
    sys.exit(main())
