"""Run `python -m infra.local`: see `cli`."""

import sys

from infra.local.cli import main

sys.exit(main())
