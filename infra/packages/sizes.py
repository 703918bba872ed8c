"""How large the packages are, and how large they may be."""

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
    """How large a part is, in bytes."""

    part: str
    architecture: str
    zipped: int
    unzipped: int


def measured(part: str, architecture: str, archive: Path) -> Size:
    """The size of a zip file and of what is in it."""
    with zipfile.ZipFile(archive) as opened:
        unzipped = sum(entry.file_size for entry in opened.infolist())
    return Size(part, architecture, archive.stat().st_size, unzipped)


def excesses(sizes: Sequence[Size]) -> list[str]:
    """One sentence for each limit that is exceeded."""
    found = [
        f"the {it.part} for {it.architecture} is {it.zipped / MIB:.1f} MiB zipped: "
        f"{MAX_ZIPPED // MIB} are allowed"
        for it in sizes
        if it.zipped > MAX_ZIPPED
    ]
    for architecture in dict.fromkeys(it.architecture for it in sizes):
        together = sum(it.unzipped for it in sizes if it.architecture == architecture)
        if together > MAX_UNZIPPED:
            found.append(
                f"all parts for {architecture} are {together / MIB:.1f} MiB unzipped: "
                f"{MAX_UNZIPPED // MIB} are allowed"
            )
    return found


def table(sizes: Sequence[Size]) -> str:
    """The sizes in MiB, a line each, then the limits."""
    rows = [("part", "architecture", "zipped", "unzipped")]
    rows += [(it.part, it.architecture, f"{it.zipped / MIB:.1f}", f"{it.unzipped / MIB:.1f}") for it in sizes]
    rows.append(("limit, MiB", "each; together", f"{MAX_ZIPPED // MIB}", f"{MAX_UNZIPPED // MIB}"))
    return "".join(
        f"{part:<12}{architecture:<16}{zipped:>8}{unzipped:>10}\n"
        for part, architecture, zipped, unzipped in rows
    )
