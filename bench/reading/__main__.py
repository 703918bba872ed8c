"""`python -m bench.reading`: read labelled files, and tell how many are read as they are meant.

By default Sluice and other readers read them, and the result is stored; `--page` then writes
`docs/explanation/reading-accuracy.md`. `--only sluice` is for work on Sluice: `--list-wrong` shows what it
read wrong.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import machine, results
from bench.reading import baselines, page, sluice
from bench.reading.baselines import Baseline
from bench.reading.generate import generate, make
from bench.reading.labels import LabelledFile
from bench.reading.scoring import Outcome, Reading, Verdict, judge
from bench.reading.tallies import Tallies
from bench.results import Result
from chalicelib.reading import encodings
from infra.steps.layout import SHARED, Layout

SLUICE = "Sluice"
_SHOWN = 400  # bytes of a file's beginning
_WIDEST = 500  # characters of a reason


def main() -> int:
    """Read the files and print the tables. Return 1 if Sluice alone reads, and reads any of them wrong."""
    arguments = _parse_arguments()
    if arguments.show is not None:
        sys.stdout.buffer.write(make(arguments.seed, arguments.show).data)
        return 0
    started_at = time.monotonic()
    files = generate(arguments.seed, arguments.count, arguments.kind)
    if arguments.only:
        tallies = {SLUICE: _read_with_sluice(files, arguments.list_wrong, every=arguments.every)}
        print(tallies[SLUICE].text())
    else:
        tallies = _read_with_all(files)
        _store(tallies, arguments)
    print(f"{time.monotonic() - started_at:.0f} s")
    if arguments.page:
        page.write()
    return int(arguments.only is not None and tallies[SLUICE].total[Outcome.WRONG] > 0)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.reading",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=5000, help="files of the seed (default: 5,000)")
    parser.add_argument("--kind", default="", help="of these, only kinds whose names hold this text")
    parser.add_argument("--only", choices=["sluice"], help="without the other readers; stores no result")
    parser.add_argument(
        "--list-wrong", type=int, default=0, metavar="N", help="show the first N wrong or noisy files"
    )
    parser.add_argument("--every", action="store_true", help="list what is told, refused or untold as well")
    parser.add_argument("--show", type=int, metavar="NUMBER", help="write a file to standard output")
    parser.add_argument(
        "--page", action="store_true", help="write docs/explanation/reading-accuracy.md afterwards"
    )
    arguments = parser.parse_args()
    if arguments.list_wrong and not arguments.only:
        parser.error("--list-wrong needs --only sluice")
    return arguments


def _read_with_sluice(files: Iterator[LabelledFile], shown: int, *, every: bool) -> Tallies:
    """Read the files with Sluice alone, and print up to ``shown`` of those that it did not read well."""
    tallies = Tallies()
    for file in files:
        reading = sluice.read(file.data)
        verdict = judge(file, reading)
        tallies.add(file.kind, verdict)
        is_bad = not verdict.is_faultless if every else verdict.outcome is Outcome.WRONG or verdict.noise
        if shown and is_bad:
            shown -= 1
            print(_description(file, reading, verdict))
    return tallies


def _read_with_all(files: Iterator[LabelledFile]) -> dict[str, Tallies]:
    """Read the files with all readers, several at a time."""
    baselines.INSTALLATION.ensure()
    layout = Layout.at(SHARED)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir=layout.tmp)))
        pool = stack.enter_context(ThreadPoolExecutor(len(baselines.READERS)))
        readers = [stack.enter_context(_process(name, layout)) for name in baselines.READERS]
        tallies = {name: Tallies() for name in (SLUICE, *baselines.READERS)}
        for number, file in enumerate(files, start=1):
            path = folder / "file.csv"
            path.write_bytes(file.data)
            pending = [pool.submit(reader.read, path) for reader in readers]
            found = [sluice.read(file.data), *(reading.result() for reading in pending)]
            for tally, reading in zip(tallies.values(), found, strict=True):
                tally.add(file.kind, judge(file, reading))
            if number % 500 == 0:
                print(f"  {number:,} files", flush=True)
    return tallies


@contextmanager
def _process(name: str, layout: Layout) -> Iterator[Baseline]:
    reader = Baseline(name, layout)
    try:
        yield reader
    finally:
        reader.close()


def _store(tallies: dict[str, Tallies], arguments: argparse.Namespace) -> None:
    """Store and print the result."""
    measured = page.measurement(tallies)
    conditions = {
        "Seed": str(arguments.seed),
        "Python": platform.python_version(),
        "clevercsv": baselines.INSTALLATION.version_of("clevercsv"),
        "duckdb": baselines.INSTALLATION.version_of("duckdb"),
        "pyarrow": version("pyarrow"),
    }
    load = " ".join(f"{average:.2f}" for average in os.getloadavg())
    results.store(page.RESULTS, page.NAME, Result(measured, conditions, machine.moment(load)))
    for table in measured.tables:
        print(f"\n{table.text()}")


def _description(file: LabelledFile, reading: Reading, verdict: Verdict) -> str:
    """Return what a reader made of a file, for the terminal."""
    lines: list[str] = [f"--- {file.number} {file.kind}: {verdict.outcome}. {file.about}"]
    lines += [f"    {reason}"[:_WIDEST] for reason in verdict.reasons]
    lines += _listed("noise", verdict.noise) + _listed("not told", verdict.untold)
    lines.append(f"    read with {reading.dialect or reading.failure}; told: {sorted(reading.warnings)}")
    encoding = (encodings.by_bom(file.data) or ("utf-8",))[0]
    lines.append(f"    {file.data[:_SHOWN].decode(encoding, 'backslashreplace')!r}")
    return "\n".join(lines)


def _listed(title: str, codes: Collection[str]) -> list[str]:
    return [f"    {title}: {', '.join(codes)}"] if codes else []


if __name__ == "__main__":
    sys.exit(main())
