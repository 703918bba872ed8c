"""`python -m chalicelib.worker`: see :mod:`chalicelib.entrypoints.worker`."""

import sys

from chalicelib.entrypoints.worker import main

if __name__ == "__main__":
    sys.exit(main())
