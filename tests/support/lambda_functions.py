"""Lambda functions of one module, for the tests' LocalStack."""

import io
import zipfile

ROLE = "arn:aws:iam::000000000000:role/any"


def zipped(code: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("main.py", code)
    return buffer.getvalue()
