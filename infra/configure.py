"""`python -m infra.configure`: write a stage of `.chalice/config.json` and the rights of its functions.

The values come from the outputs of the stacks: see :mod:`infra.deployment.configuration`. No secret is
written: the database's password stays in Secrets Manager, and the functions read it by its name.
"""

import argparse
import ipaddress
import shutil
import ssl
import sys
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import boto3

from chalicelib import settings
from infra import stacks
from infra.deployment.configuration import (
    ALLOWED_ORIGINS,
    CERTIFICATES,
    DATABASE_CA,
    OUTPUTS,
    OWNER_SECRET,
    ROLE_SECRETS,
    ConfigurationError,
    configure_stage,
    fill_policies,
    read_config,
    write_stage,
)
from infra.steps.layout import CHECKOUT


def parse_networks(text: str, *, everybody: bool = False) -> str:
    """Return comma-separated networks as AWS writes them.

    Raises ConfigurationError, also for the whole internet unless `everybody` is meant.
    """
    try:
        networks = [ipaddress.ip_network(network.strip()) for network in text.split(",")]
    except ValueError as error:
        raise ConfigurationError(f"--allow: {error}") from None
    if not everybody and _is_the_internet(networks):
        raise ConfigurationError("--allow: this is the whole internet; if that is meant, add --everybody")
    return ",".join(map(str, networks))


def _is_the_internet(networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Return whether the networks are all addresses of an IP version together, such as both halves."""
    fourth = ipaddress.collapse_addresses([it for it in networks if isinstance(it, IPv4Network)])
    sixth = ipaddress.collapse_addresses([it for it in networks if isinstance(it, IPv6Network)])
    return any(it.prefixlen == 0 for it in fourth) or any(it.prefixlen == 0 for it in sixth)


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
    outputs["AllowedAddresses"] = parse_networks(arguments.allow, everybody=arguments.everybody)
    _check_secrets(stage, outputs)
    if ALLOWED_ORIGINS in dict(arguments.setting):
        raise ConfigurationError(
            f"{ALLOWED_ORIGINS} is a parameter of the stack, as the bucket needs it too:"
            " infra.stacks deploy --parameter storage.AllowedOrigins=…"
        )
    outputs.setdefault(OUTPUTS[ALLOWED_ORIGINS], "")  # the stack has no empty output
    chosen = dict(arguments.setting) | {"SLUICE_LAMBDA_WORKERS": str(arguments.lambda_workers)}
    if arguments.database_ca:
        chosen["DATABASE_CA"] = DATABASE_CA
    config = configure_stage(read_config(), stage, outputs, settings=chosen, layer=arguments.layer)
    try:
        settings.load(config["stages"][stage]["environment_variables"])
    except settings.SettingError as error:
        raise ConfigurationError(str(error)) from None
    if arguments.database_ca:
        _keep_certificates(arguments.database_ca, CHECKOUT / ".chalice" / CERTIFICATES / f"{stage}.pem")
    write_stage(CHECKOUT, stage, config, fill_policies(stage, outputs))


def _check_secrets(stage: str, outputs: Mapping[str, str]) -> None:
    """Raise ConfigurationError if there is a secret of the database's owner, and none of another role."""
    missing = [name for name in ROLE_SECRETS.values() if name not in outputs]
    if OWNER_SECRET in outputs and missing:
        raise ConfigurationError(
            f"the stack sluice-{stage}-database has no {missing[0]}: deploy the stacks again"
        )


def _keep_certificates(source: Path, target: Path) -> None:
    """Copy the file to where staging takes it from. Raises ConfigurationError if it holds no certificate."""
    try:
        found = ssl.create_default_context(cafile=str(source)).get_ca_certs()
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"--database-ca: no certificates in {source}: {error}") from None
    if not found:
        raise ConfigurationError(f"--database-ca: no certificate of a CA in {source}")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


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
        "--everybody", action="store_true", help="--allow may be the whole internet: 0.0.0.0/0"
    )
    parser.add_argument(
        "--lambda-workers", type=int, default=0, help="the most that run at once; 0: workers are containers"
    )
    parser.add_argument("--layer", help="ARN of the Lambda worker's layer")
    parser.add_argument(
        "--database-ca",
        type=Path,
        metavar="FILE",
        help="certificates of the CA that signs Postgres', for the package; not needed for RDS Proxy",
    )
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", type=_parse_setting)
    return parser


if __name__ == "__main__":
    sys.exit(main())
