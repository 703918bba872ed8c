"""The sizes of the packages, and Lambda's limits."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
# Source: AWS Lambda Developer Guide, "Lambda quotas". By "MB" it means MiB.
MAX_ZIPPED = 50 * MIB  # uploaded directly, as Chalice does
MAX_UNZIPPED = 250 * MIB  # of a function and its layers together


@dataclass(frozen=True)
class Size:
    """The sizes of the function's package or of the layer, in bytes."""

    name: str
    architecture: str
    zipped: int
    unzipped: int


def measure(name: str, architecture: str, archive: Path) -> Size:
    """Return the size of a zip file and of its content."""
    with zipfile.ZipFile(archive) as content:
        unzipped = sum(entry.file_size for entry in content.infolist())
    return Size(name, architecture, archive.stat().st_size, unzipped)


def excesses(sizes: Sequence[Size]) -> list[str]:
    """Return one sentence for each exceeded limit."""
    sentences = [
        f"the {size.name} for {size.architecture} is {size.zipped / MIB:.1f} MiB zipped: "
        f"{MAX_ZIPPED // MIB} are allowed"
        for size in sizes
        if size.zipped > MAX_ZIPPED
    ]
    for architecture in dict.fromkeys(size.architecture for size in sizes):
        together = sum(size.unzipped for size in sizes if size.architecture == architecture)
        if together > MAX_UNZIPPED:
            sentences.append(
                f"all packages for {architecture} are {together / MIB:.1f} MiB unzipped: "
                f"{MAX_UNZIPPED // MIB} are allowed"
            )
    return sentences


def table(sizes: Sequence[Size]) -> str:
    """Return a table of the sizes in MiB, one per line, and the limits."""
    rows = [("package", "architecture", "zipped", "unzipped")]
    rows += [
        (size.name, size.architecture, f"{size.zipped / MIB:.1f}", f"{size.unzipped / MIB:.1f}")
        for size in sizes
    ]
    rows.append(("limit, MiB", "each; together", f"{MAX_ZIPPED // MIB}", f"{MAX_UNZIPPED // MIB}"))
    return "".join(
        f"{name:<12}{architecture:<16}{zipped:>8}{unzipped:>10}\n"
        for name, architecture, zipped, unzipped in rows
    )
