"""Where things are. Nothing is written outside the checkout."""

from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
# Installed environments and download caches are the same for every stack of a checkout.
SHARED = CHECKOUT / ".local"
DEFAULT_ROOT = SHARED


@dataclass(frozen=True)
class Layout:
    """The folders and files of one stack."""

    root: Path

    @classmethod
    def at(cls, root: Path | str = DEFAULT_ROOT) -> "Layout":
        """The layout of the stack rooted at `root`; its folders exist afterwards."""
        layout = cls(Path(root).resolve())
        for folder in (layout.data, layout.logs, layout.run, layout.build, layout.home, layout.tmp):
            folder.mkdir(parents=True, exist_ok=True)
        # Holds the deployed configuration, and so the database's password.
        layout.build.chmod(0o700)
        return layout

    @property
    def data(self) -> Path:
        """What survives `down`."""
        return self.root / "data"

    @property
    def logs(self) -> Path:
        """One log a part, and one a Lambda function."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Process records, ports, locks."""
        return self.root / "run"

    @property
    def build(self) -> Path:
        """The application as it is staged for deployment."""
        return self.root / "build"

    @property
    def home(self) -> Path:
        """HOME of every process of the stack."""
        return self.root / "home"

    @property
    def tmp(self) -> Path:
        """TMPDIR of every process of the stack."""
        return self.root / "tmp"

    @property
    def env_file(self) -> Path:
        """Where others read the stack's addresses; there only while it is up."""
        return self.root / "env"

    def log(self, name: str) -> Path:
        """The log of one part."""
        return self.logs / f"{name}.log"
