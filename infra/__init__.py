"""The tools that put Sluice on AWS and on one machine.

- AWS: :mod:`infra.stacks`, :mod:`infra.configure`, :mod:`infra.deploy` or its variant :mod:`infra.bundle`.
- One machine: :mod:`infra.local` (processes) and :mod:`infra.compose` (containers), both on
  :mod:`infra.emulator`, which deploys to LocalStack.
- Shared by both: :mod:`infra.deployment`, :mod:`infra.packages` and, below everything, :mod:`infra.steps`.

`pyproject.toml` holds the imports to this order.
"""
