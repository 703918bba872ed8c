"""Folders and files of the tools. They write nothing outside the checkout."""

from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
# All stacks of a checkout share the installed environments and the download caches.
SHARED = CHECKOUT / ".local"
DEFAULT_ROOT = SHARED


@dataclass(frozen=True)
class Layout:
    """The folders and files of one stack."""

    root: Path

    @classmethod
    def at(cls, root: Path | str = DEFAULT_ROOT) -> "Layout":
        """Return the layout of the stack rooted at `root`, after creating its folders."""
        layout = cls(Path(root).resolve())
        for folder in (layout.data, layout.logs, layout.run, layout.build, layout.home, layout.tmp):
            folder.mkdir(parents=True, exist_ok=True)
        # The deployed configuration holds the database's password.
        layout.build.chmod(0o700)
        return layout

    @property
    def data(self) -> Path:
        """Return the folder that survives `down`."""
        return self.root / "data"

    @property
    def logs(self) -> Path:
        """Return the folder with one log per component and per Lambda function."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Return the folder of process records, ports and locks."""
        return self.root / "run"

    @property
    def build(self) -> Path:
        """Return the folder in which the application is staged for deployment."""
        return self.root / "build"

    @property
    def home(self) -> Path:
        """Return HOME of every process of the stack."""
        return self.root / "home"

    @property
    def tmp(self) -> Path:
        """Return TMPDIR of every process of the stack."""
        return self.root / "tmp"

    @property
    def env_file(self) -> Path:
        """Return the file with the stack's addresses. It exists only while the stack is up."""
        return self.root / "env"

    def log(self, name: str) -> Path:
        """Return the log of one component."""
        return self.logs / f"{name}.log"
