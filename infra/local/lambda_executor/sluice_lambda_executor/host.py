"""LocalStack in host mode: `python -m sluice_lambda_executor.host`.

The same as `python -m localstack.runtime.main`, but for the folder where LocalStack 4.12.0 keeps the
content of S3. That one is the same for all LocalStacks of a machine, whatever their settings say:
two of them would remove each other's buckets, and another user's could not write at all.
"""

# LocalStack lives in an environment of its own, where mypy does not look.
# mypy: disable-error-code="import-not-found"

import tempfile
from pathlib import Path

from localstack.runtime.main import main
from localstack.services.s3 import provider


def keep_s3_apart() -> None:
    """Keep S3's content in this process's temporary folder."""
    folder = Path(tempfile.gettempdir()) / "s3"
    folder.mkdir(exist_ok=True)
    # An unknown name would be set without effect, so a LocalStack that renames it must fail here.
    if not hasattr(provider, "DEFAULT_S3_TMP_DIR"):
        raise RuntimeError("this LocalStack keeps S3's content in a folder that is not known")
    provider.DEFAULT_S3_TMP_DIR = str(folder)


if __name__ == "__main__":
    keep_s3_apart()
    main()
