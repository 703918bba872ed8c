"""Build the functions' package and the worker's layer and print their sizes: `python -m infra.packages`.

Exit status 1 if a size exceeds a limit of Lambda, or something fails.
`python -m infra.packages publish --stage prod --architecture arm64` publishes the layer and prints its ARN.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import boto3

from infra.packages.build import (
    build_layer,
    build_vendor,
    check_runtime,
    copy_source,
    function_files,
    write_zip,
)
from infra.packages.bytecode import RUNNING
from infra.packages.install import ARCHITECTURES
from infra.packages.publish import Layer, publish
from infra.packages.sizes import Size, excesses, measure, table
from infra.steps.errors import StepError
from infra.steps.layout import CHECKOUT, SHARED


def sizes(output: Path, python: str, architectures: Sequence[str]) -> list[Size]:
    """Build the package and the layer for each architecture below `output` and return their sizes."""
    result = []
    for architecture in architectures:
        folder = output / f"{python}-{architecture}"
        shutil.rmtree(folder, ignore_errors=True)
        application, function = folder / "application", folder / "function.zip"
        for name in ("app.py", "chalicelib"):
            copy_source(CHECKOUT / name, application / name)
        build_vendor(application, python=python, architecture=architecture)
        write_zip(function, function_files(application))
        result.append(measure("function", architecture, function))
        layer = build_layer(folder / "layer.zip", python=python, architecture=architecture)
        result.append(measure("layer", architecture, layer))
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.command == "publish" and (arguments.stage is None or arguments.architecture == "both"):
        parser.error("publish needs --stage and one --architecture")
    try:
        return _publish(arguments) if arguments.command == "publish" else _print_sizes(arguments)
    except StepError as error:
        sys.stderr.write(f"{error.report()}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.packages", description=__doc__.splitlines()[0])
    parser.add_argument("command", nargs="?", choices=("sizes", "publish"), default="sizes")
    parser.add_argument(
        "--python", default=RUNNING, help="minor version of the runtime (default: %(default)s)"
    )
    parser.add_argument("--architecture", choices=(*ARCHITECTURES, "both"), default="both")
    parser.add_argument("--output", type=lambda text: Path(text).resolve(), default=SHARED / "packages")
    parser.add_argument("--stage", help="publish: the layer's stage")
    parser.add_argument(
        "--bucket", help="publish: a bucket through which to send a layer of more than 50 MiB"
    )
    return parser


def _print_sizes(arguments: argparse.Namespace) -> int:
    chosen = arguments.architecture
    architectures = tuple(ARCHITECTURES) if chosen == "both" else (chosen,)
    built = sizes(arguments.output, arguments.python, architectures)
    sys.stdout.write(table(built))
    exceeded = excesses(built)
    sys.stdout.write("".join(f"{sentence}\n" for sentence in exceeded))
    return int(bool(exceeded))


def _publish(arguments: argparse.Namespace) -> int:
    python, architecture = arguments.python, arguments.architecture
    check_runtime(python)
    archive = arguments.output / f"{python}-{architecture}" / "layer.zip"
    build_layer(archive, python=python, architecture=architecture)
    layer = Layer(archive, arguments.stage, python, architecture)
    arn = publish(boto3.client("lambda"), boto3.client("s3"), layer, arguments.bucket)
    sys.stdout.write(f"{arn}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
