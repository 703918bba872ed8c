"""Run ``sluice`` as ``python -m sluice_cli``."""

from sluice_cli.main import main

main(prog_name="sluice")
