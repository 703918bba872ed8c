"""`python -m chalicelib.roles`: see :mod:`chalicelib.entrypoints.roles`."""

import sys

from chalicelib.entrypoints.roles import main

if __name__ == "__main__":
    sys.exit(main())
