"""Run `python -m infra.local`: see `cli`."""

import sys

from infra.local.cli import main
from infra.steps.signals import end_on_sigterm

end_on_sigterm()
sys.exit(main())
