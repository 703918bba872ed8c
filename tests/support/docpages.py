"""The pages of the documentation, and what stands on them."""

import re

from tests.support.paths import CHECKOUT

ROOT = CHECKOUT
OF_THE_FORGE = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
PAGES = [*OF_THE_FORGE, *sorted((ROOT / "docs").rglob("*.md"))]
CODE = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)


def page(name: str) -> str:
    """Return the text of the one page with this file name."""
    (path,) = (ROOT / "docs").rglob(name)
    return path.read_text(encoding="utf-8")


def section(name: str, title: str) -> str:
    """Return the text under a heading, up to the next one of its level or above."""
    found = re.search(rf"^(##+) {re.escape(title)}\n(.*?)(?=^##? |\Z)", page(name), re.DOTALL | re.MULTILINE)
    assert found, f"{name} has no section {title}"
    return found[2]


def table(markdown: str, *head: str) -> list[list[str]]:
    """Return the rows of the table with this header."""
    lines = iter(markdown.splitlines())
    assert any(cells(line) == list(head) for line in lines), f"no table {head}"
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append(cells(line))
    assert rows
    return rows


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []


def quoted(cell: str) -> str:
    """Return the code in a cell."""
    assert cell.startswith("`"), cell
    assert cell.endswith("`"), cell
    return cell[1:-1]


def blocks(markdown: str, language: str) -> list[str]:
    return [body for found, body in CODE.findall(markdown) if found == language]


def text_of(example: str) -> str:
    return re.sub(r"(.)\{(\d+)\}", lambda repeated: repeated[1] * int(repeated[2]), example)


def bytes_of(example: str) -> bytes:
    r"""Return the bytes of an example, in which ``\xHH`` is a byte and ``x{3}`` is ``xxx``."""
    parts = re.split(r"\\x([0-9a-f]{2})", text_of(example))
    return b"".join(bytes.fromhex(part) if at % 2 else part.encode() for at, part in enumerate(parts))
