"""Build what Lambda functions are made of, and say how large it is: `python -m infra.packages`.

Exit status 1 if a limit of Lambda's is exceeded, or something fails.
`python -m infra.packages publish --stage prod --architecture arm64` publishes the layer and prints its ARN.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import boto3

from infra.local.errors import StackError
from infra.local.layout import CHECKOUT, SHARED
from infra.packages.build import (
    build_layer,
    build_vendor,
    check_runtime,
    copy_part,
    function_files,
    write_zip,
)
from infra.packages.bytecode import RUNNING
from infra.packages.install import ARCHITECTURES
from infra.packages.publish import Layer, publish
from infra.packages.sizes import Size, excesses, measured, table


def sizes(output: Path, python: str, architectures: Sequence[str]) -> list[Size]:
    """Build all parts into `output`; how large they are."""
    found = []
    for architecture in architectures:
        place = output / f"{python}-{architecture}"
        shutil.rmtree(place, ignore_errors=True)
        application, function = place / "application", place / "function.zip"
        for part in ("app.py", "chalicelib"):
            copy_part(CHECKOUT / part, application / part)
        build_vendor(application, python=python, architecture=architecture)
        write_zip(function, function_files(application))
        found.append(measured("function", architecture, function))
        layer = build_layer(place / "layer.zip", python=python, architecture=architecture)
        found.append(measured("layer", architecture, layer))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m infra.packages", description=__doc__.splitlines()[0])
    parser.add_argument("command", nargs="?", choices=("sizes", "publish"), default="sizes")
    parser.add_argument(
        "--python", default=RUNNING, help="minor version of the runtime (default: %(default)s)"
    )
    parser.add_argument("--architecture", choices=(*ARCHITECTURES, "both"), default="both")
    parser.add_argument("--output", type=lambda it: Path(it).resolve(), default=SHARED / "packages")
    parser.add_argument("--stage", help="publish: whose layer it is")
    parser.add_argument("--bucket", help="publish: by way of which a layer of more than 50 MiB goes")
    chosen = parser.parse_args(argv)
    try:
        if chosen.command == "publish":
            if chosen.stage is None or chosen.architecture == "both":
                parser.error("publish needs --stage and one --architecture")
            return _publish(chosen)
        architectures = tuple(ARCHITECTURES) if chosen.architecture == "both" else (chosen.architecture,)
        built = sizes(chosen.output, chosen.python, architectures)
    except StackError as error:
        sys.stderr.write(f"{error.report()}\n")
        return 1
    sys.stdout.write(table(built))
    exceeded = excesses(built)
    sys.stdout.write("".join(f"{sentence}\n" for sentence in exceeded))
    return int(bool(exceeded))


def _publish(chosen: argparse.Namespace) -> int:
    check_runtime(chosen.python)
    place = chosen.output / f"{chosen.python}-{chosen.architecture}"
    archive = build_layer(place / "layer.zip", python=chosen.python, architecture=chosen.architecture)
    layer = Layer(archive, chosen.stage, chosen.python, chosen.architecture)
    arn = publish(boto3.client("lambda"), boto3.client("s3"), layer, chosen.bucket)
    sys.stdout.write(f"{arn}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
