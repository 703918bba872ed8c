"""`python -m infra.configure`: write a stage of `.chalice/config.json` and the rights of its functions.

The values come from the outputs of the stacks: see :mod:`infra.deployment.configuration`. No secret is
written: the database's password stays in Secrets Manager, and the functions read it by its name.
"""

import argparse
import ipaddress
import sys
from collections.abc import Sequence

import boto3

from chalicelib import settings
from infra import stacks
from infra.deployment.configuration import (
    ALLOWED_ORIGINS,
    OUTPUTS,
    ConfigurationError,
    configure_stage,
    fill_policies,
    read_config,
    write_stage,
)
from infra.steps.layout import CHECKOUT


def parse_networks(text: str) -> str:
    """Return comma-separated networks as AWS writes them. Raises ConfigurationError."""
    try:
        return ",".join(str(ipaddress.ip_network(network.strip())) for network in text.split(","))
    except ValueError as error:
        raise ConfigurationError(f"--allow: {error}") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Configure a stage of this checkout. Return 0, or 1 after saying why it failed."""
    arguments = _parser().parse_args(argv)
    try:
        _configure(arguments)
    except ConfigurationError as error:
        print(f"not configured: {error}", file=sys.stderr)
        return 1
    stage = arguments.stage
    print(f"stage {stage} of .chalice/config.json written, and .chalice/policies/{stage}/")
    return 0


def _configure(arguments: argparse.Namespace) -> None:
    stage = arguments.stage
    outputs = stacks.outputs(stage, boto3.client("cloudformation"))
    if not outputs:
        raise ConfigurationError(f"the stacks of {stage} have no outputs: deploy them first")
    if arguments.lambda_workers and arguments.layer is None:
        raise ConfigurationError("a Lambda worker needs its layer: --layer ARN (see infra.packages publish)")
    if ALLOWED_ORIGINS in dict(arguments.setting):
        raise ConfigurationError(
            f"{ALLOWED_ORIGINS} is a parameter of the stack, as the bucket needs it too:"
            " infra.stacks deploy --parameter storage.AllowedOrigins=…"
        )
    outputs.setdefault(OUTPUTS[ALLOWED_ORIGINS], "")  # the stack has no empty output
    outputs["AllowedAddresses"] = parse_networks(arguments.allow)
    chosen = dict(arguments.setting) | {"SLUICE_LAMBDA_WORKERS": str(arguments.lambda_workers)}
    config = configure_stage(read_config(), stage, outputs, settings=chosen, layer=arguments.layer)
    try:
        settings.load(config["stages"][stage]["environment_variables"])
    except settings.SettingError as error:
        raise ConfigurationError(str(error)) from None
    write_stage(CHECKOUT, stage, config, fill_policies(stage, outputs))


def _parse_setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"not NAME=VALUE: {text!r}")
    return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.configure", description=__doc__)
    parser.add_argument("--stage", required=True)
    parser.add_argument("--allow", required=True, help="networks that may call the API: 203.0.113.0/24,…")
    parser.add_argument(
        "--lambda-workers", type=int, default=0, help="the most that run at once; 0: workers are containers"
    )
    parser.add_argument("--layer", help="ARN of the Lambda worker's layer")
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", type=_parse_setting)
    return parser


if __name__ == "__main__":
    sys.exit(main())
