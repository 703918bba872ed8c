"""LocalStack in host mode: `python -m sluice_lambda_executor.host`.

Like `python -m localstack.runtime.main`, but with another folder for the content of S3. LocalStack 4.12.0
uses one folder for all LocalStacks of a machine, whatever their settings: two of them would remove each
other's buckets, and one of another user could not write.
"""

# mypy does not see the environment that LocalStack is installed in.
# mypy: disable-error-code="import-not-found"

import tempfile
from pathlib import Path

from localstack.runtime.main import main
from localstack.services.s3 import provider


def keep_s3_apart() -> None:
    """Keep S3's content in this process's temporary folder."""
    folder = Path(tempfile.gettempdir()) / "s3"
    folder.mkdir(exist_ok=True)
    # Setting an unknown name would have no effect, so fail if another version of LocalStack renamed it.
    if not hasattr(provider, "DEFAULT_S3_TMP_DIR"):
        raise RuntimeError("this version of LocalStack does not define DEFAULT_S3_TMP_DIR, its folder for S3")
    provider.DEFAULT_S3_TMP_DIR = str(folder)


if __name__ == "__main__":
    keep_s3_apart()
    main()
