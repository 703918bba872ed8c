"""`python -m bench.reading`: read labelled files, and tell how many are read as they are meant."""

import argparse
import sys
import time
from collections import Counter

from bench.reading import sluice
from bench.reading.generate import generate, make
from bench.reading.labels import LabelledFile
from bench.reading.scoring import Outcome, Reading, Verdict, judge

_SHOWN = 300  # bytes of a file's beginning


def main() -> int:
    """Read the files and print the table. Return 1 if any was read wrong."""
    arguments = _parse_arguments()
    if arguments.show is not None:
        sys.stdout.buffer.write(make(arguments.seed, arguments.show).data)
        return 0
    started_at = time.process_time()
    counts: dict[str, Counter[str]] = {}
    listed = 0
    for file in generate(arguments.seed, arguments.count, arguments.kind):
        reading = sluice.read(file.data)
        verdict = judge(file, reading)
        counter = counts.setdefault(file.kind, Counter())
        counter.update(_marks(verdict))
        is_shown = (
            not verdict.is_faultless if arguments.all else verdict.outcome is Outcome.WRONG or verdict.noise
        )
        if listed < arguments.list_wrong and is_shown:
            listed += 1
            print(_shown(file, reading, verdict))
    print(_table(counts))
    print(f"{time.process_time() - started_at:.0f} s")
    return int(any(counter["wrong"] for counter in counts.values()))


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.reading", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=5000, help="files (default: 5,000)")
    parser.add_argument("--only", choices=["sluice"], default="sluice")
    parser.add_argument("--kind", default="", help="only kinds that hold this text")
    parser.add_argument("--list-wrong", type=int, default=0, metavar="N", help="show the first N wrong files")
    parser.add_argument("--all", action="store_true", help="show all that is not right or not told, as well")
    parser.add_argument("--show", type=int, metavar="NUMBER", help="write one file to standard output")
    return parser.parse_args()


def _marks(verdict: Verdict) -> list[str]:
    marks = ["files", str(verdict.outcome)]
    if verdict.noise:
        marks.append("noise")
    if verdict.untold and verdict.outcome is Outcome.RIGHT:
        marks.append("untold")
    return marks


def _shown(file: LabelledFile, reading: Reading, verdict: Verdict) -> str:
    lines = [
        f"--- {file.number} [{file.kind}] {verdict.outcome}: {file.about}",
        *(f"    {reason}"[:500] for reason in verdict.reasons),
    ]
    if verdict.noise:
        lines.append(f"    noise: {', '.join(verdict.noise)}")
    if verdict.untold:
        lines.append(f"    not told: {', '.join(verdict.untold)}")
    lines.append(f"    read with {reading.dialect or reading.failure}, told: {sorted(reading.warnings)}")
    lines.append(f"    {file.data[:_SHOWN]!r}")
    return "\n".join(lines)


def _table(counts: dict[str, Counter[str]]) -> str:
    heads = ["files", *(str(outcome) for outcome in Outcome), "noise", "untold"]
    total: Counter[str] = sum(counts.values(), Counter())
    lines = [f"{'':34}" + "".join(f"{head:>9}" for head in heads)]
    rows = [*sorted(counts.items()), ("all", total)]
    lines += [f"{name:34}" + "".join(f"{counter[head] or '':>9}" for head in heads) for name, counter in rows]
    shares = (f"{head} {100 * total[head] / max(total['files'], 1):.1f} %" for head in heads[1:])
    return "\n".join([*lines, ", ".join(shares)])


if __name__ == "__main__":
    sys.exit(main())
