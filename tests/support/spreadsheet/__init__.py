"""Open a CSV file with a spreadsheet program's own reader: LibreOffice's if it is installed, else pandas'."""

import csv
import io
import shutil
import subprocess
from pathlib import Path

from bench.installation import pinned_installation

_CALC = "soffice"
PROGRAM = "LibreOffice" if shutil.which(_CALC) else "pandas"

_PINNED = Path(__file__).with_name("requirements-spreadsheet.txt")
# Comma, double quote, UTF-8, from the first line on, in American English, dates and the like detected: see
# "Token Options for CSV Import and Export Filters" in LibreOffice's help. Saved as it is shown.
_AS_OPENED = "44,34,76,1,,1033,false,true"
_AS_SHOWN = f"csv:Text - txt - csv (StarCalc):{_AS_OPENED},false,false,false,1"
# Nothing is taken for a missing value.
_READ = """
import csv, sys, pandas
frame = pandas.read_csv(sys.argv[1], header=None, keep_default_na=False)
csv.writer(open(sys.argv[2], "w", newline="", encoding="utf-8")).writerows(frame.astype(str).values.tolist())
"""


def saved_by(program: str, path: Path, folder: Path) -> bytes:
    """Open a CSV file with commas, and return the CSV file that the program writes of what it shows.

    ``folder`` is for the program's own files.
    """
    if program == "pandas":
        return _saved_by_pandas(path, folder / "shown.csv")
    out = folder / "shown"
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    conversion = [f"--infilter=CSV:{_AS_OPENED}", "--convert-to", _AS_SHOWN, "--outdir", str(out)]
    subprocess.run([_CALC, profile, "--headless", *conversion, str(path)], check=True, capture_output=True)
    (shown,) = out.iterdir()  # its name contains the sheet's
    return shown.read_bytes()


def _saved_by_pandas(path: Path, shown: Path) -> bytes:
    installation = pinned_installation("spreadsheet", "pandas", _PINNED)
    installation.ensure()
    subprocess.run([installation.python, "-c", _READ, path, shown], check=True, capture_output=True)
    return shown.read_bytes()


def cells_of(data: bytes) -> list[list[str]]:
    """Return the cells of a CSV file in UTF-8 with commas."""
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
