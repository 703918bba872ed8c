import io
import os
import sys
import zipfile
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any, cast

import boto3
import pytest
from botocore.stub import Stubber

from infra.packages import bytecode, install
from infra.packages.build import check_runtime, write_zip
from infra.packages.bytecode import RUNNING, compile_tree, interpreter
from infra.packages.contents import pinned, required, why_left_out
from infra.packages.install import list_removed, normalise_files, thin_out
from infra.packages.publish import Layer, publish
from infra.packages.sizes import MAX_UNZIPPED, MAX_ZIPPED, Size, excesses, measure, table
from infra.steps.errors import StepError

REQUIREMENTS = """\
# This file was made.
botocore==1.44.8 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via aws-xray-sdk
psycopg-binary==3.3.9 ; implementation_name != 'pypy' \\
    --hash=sha256:cc
    # via psycopg
redis==8.1.0 \\
    --hash=sha256:dd
"""


def test_entries_of_a_requirements_file_keep_their_hashes() -> None:
    entries = pinned(REQUIREMENTS)
    assert list(entries) == ["botocore", "psycopg-binary", "redis"]
    assert entries["botocore"] == "botocore==1.44.8 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
    assert "implementation_name != 'pypy'" in entries["psycopg-binary"]


def test_packages_of_the_runtime_or_the_functions_are_not_required() -> None:
    assert list(required(REQUIREMENTS)) == ["psycopg-binary", "redis"]
    assert list(required(REQUIREMENTS, without=frozenset({"redis"}))) == ["psycopg-binary"]


@pytest.mark.parametrize(
    "name",
    [
        "pyarrow/tests/test_csv.py",
        "pyarrow/libarrow_flight.so.2600",
        "pyarrow/libarrow_python.so",
        "pyarrow/libarrow_python.so.2600.1.0",
        "pyarrow/_dataset_parquet.cpython-312-aarch64-linux-gnu.so",
        "pyarrow/include/arrow/api.h",
        "aws_lambda_powertools/event_handler/api_gateway.py",
        "wrapt/_wrappers.c",
        "bin/jp.py",
        "cffi/api.py",
        "pycparser/c_parser.py",
        "redis-8.1.0.dist-info/RECORD",
    ],
)
def test_unused_files_are_left_out(name: str) -> None:
    assert why_left_out(PurePosixPath(name))


@pytest.mark.parametrize(
    "name",
    [
        "pyarrow/lib.cpython-312-aarch64-linux-gnu.so",
        "pyarrow/libarrow.so.2600",
        "pyarrow/libarrow_python.so.2600",
        "pyarrow/libparquet.so.2600",
        "pyarrow/_compute.cpython-312-aarch64-linux-gnu.so",
        "aws_lambda_powertools/utilities/parameters/secrets.py",
        "aws_xray_sdk/ext/util.py",
        "_cffi_backend.cpython-312-aarch64-linux-gnu.so",
        "cryptography/hazmat/bindings/_rust.abi3.so",
        "redis-8.1.0.dist-info/METADATA",
        "psycopg_binary.libs/libpq-e9b5c9ac.so.5.18",
    ],
)
def test_used_files_are_kept(name: str) -> None:
    assert why_left_out(PurePosixPath(name)) is None


def packages(folder: Path) -> Path:
    """Make a small tree like one that pip installs."""
    files = {
        "bin/tool": "#!/here/python\n",
        "one/__init__.py": "NAMES = {'a', 'b', 'c'}\ndef f(x): return x in {'p', 'q', 'r', 's'}\n",
        "one/two.py": "from one import f\nassert f('p')\n",
        "one/tests/test_one.py": "1\n",
        "one.pyi": "x: int\n",
        "one-1.0.dist-info/RECORD": "one\n",
        "one-1.0.dist-info/METADATA": "Version: 1.0\n",
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_thinning_out_counts_removed_bytes_and_leaves_no_empty_folders(tmp_path: Path) -> None:
    folder = packages(tmp_path)
    removed = thin_out(folder)
    assert removed["tests"] == 2
    assert removed["commands"] == 15
    assert names(folder) == {
        "one",
        "one/__init__.py",
        "one/two.py",
        "one-1.0.dist-info",
        "one-1.0.dist-info/METADATA",
    }


def test_removed_bytes_are_listed_with_the_largest_first() -> None:
    assert (
        list_removed(Counter({"tests": 20_000, "Flight": 3_000_000}))
        == "    3.00 MB  Flight\n    0.02 MB  tests\n"
    )


def built(folder: Path, target: Path) -> bytes:
    """Zip such a tree as `build_layer` does."""
    thin_out(packages(folder))
    compile_tree(RUNNING, folder, ["."], runs_in="/opt/python")
    normalise_files(folder)
    write_zip(target, {path: folder / path for path in names(folder) if (folder / path).is_file()})
    return target.read_bytes()


def test_equal_files_make_equal_packages_wherever_and_whenever_they_are_built(tmp_path: Path) -> None:
    first = built(tmp_path / "here", tmp_path / "first.zip")
    second = built(tmp_path / "there" / "and" / "deeper", tmp_path / "second.zip")
    assert first == second
    with zipfile.ZipFile(io.BytesIO(first)) as opened:
        code = opened.read(f"one/__pycache__/two.cpython-{RUNNING.replace('.', '')}.pyc")
        assert {entry.external_attr >> 16 for entry in opened.infolist()} == {0o644}
    assert b"/opt/python/one/two.py" in code
    assert str(tmp_path).encode() not in code
    assert code[4:8] == b"\1\0\0\0"  # unchecked-hash, see PEP 552


def test_files_are_readable_for_all_users_and_have_one_time(tmp_path: Path) -> None:
    folder = packages(tmp_path / "made")
    (folder / "one" / "two.py").chmod(0o600)
    normalise_files(folder)
    stats = [path.stat() for path in folder.rglob("*") if path.is_file()]
    assert {stat.st_mode & 0o777 for stat in stats} == {0o644}
    assert {stat.st_mtime for stat in stats} == {install.MTIME}


def test_the_running_python_compiles_bytecode() -> None:
    assert interpreter(RUNNING) == sys.executable


def script(folder: Path, content: str) -> None:
    path = folder / "python3.99"
    path.write_text(f"#!/bin/sh\n{content}\n")
    path.chmod(0o755)


def test_another_installed_python_compiles_bytecode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path, "echo 3.99")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert interpreter("3.99") == str(tmp_path / "python3.99")


@pytest.mark.parametrize("content", ["exit 127", "echo 3.98", None])
def test_a_python_of_another_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    if content:
        script(tmp_path, content)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StepError, match=r"bytecode for Python 3\.99 can only be made by Python 3\.99"):
        interpreter("3.99")


def test_a_syntax_error_fails_the_compilation(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text("def\n")
    with pytest.raises(StepError, match="compileall ended with status 1"):
        compile_tree(bytecode.RUNNING, tmp_path, ["."], runs_in="/var/task")


def test_runtimes_that_are_too_old_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)  # tests of services may have set it in this process
    check_runtime("3.12")
    check_runtime("3.13")
    with pytest.raises(StepError, match=r"Python 3\.11 on Amazon Linux 2.*3\.12 or newer"):
        check_runtime("3.11")


def test_sizes_are_those_of_the_zip_file_and_its_content(tmp_path: Path) -> None:
    (tmp_path / "zeros").write_bytes(bytes(5000))
    archive = tmp_path / "some.zip"
    write_zip(archive, {"zeros": tmp_path / "zeros"})
    assert measure("layer", "arm64", archive) == Size("layer", "arm64", archive.stat().st_size, 5000)
    assert archive.stat().st_size < 200


def test_packages_at_their_limits_are_allowed() -> None:
    half = MAX_UNZIPPED // 2
    sizes = [Size(name, "arm64", MAX_ZIPPED, half) for name in ("function", "layer")]
    sizes.append(Size("function", "x86_64", 1, MAX_UNZIPPED))
    assert excesses(sizes) == []


def test_packages_above_a_limit_are_reported() -> None:
    sizes = [
        Size("function", "arm64", MAX_ZIPPED + (1 << 20), 1),
        Size("layer", "arm64", 1, MAX_UNZIPPED),
        Size("layer", "x86_64", 1, MAX_UNZIPPED),
    ]
    assert excesses(sizes) == [
        "the function for arm64 is 51.0 MiB zipped: 50 are allowed",
        "all packages for arm64 are 250.0 MiB unzipped: 250 are allowed",
    ]


def test_the_table_lists_packages_and_limits() -> None:
    assert table([Size("layer", "arm64", 3 << 20, 12_900_000)]).splitlines() == [
        "package     architecture      zipped  unzipped",
        "layer       arm64                3.0      12.3",
        "limit, MiB  each; together        50       250",
    ]


ARN = "arn:aws:lambda:eu-west-1:123456789012:layer:sluice-prod-worker"
EMPTY_SHA256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


def layer(folder: Path, size: int = 0) -> Layer:
    archive = folder / "layer.zip"
    with archive.open("wb") as written:
        written.truncate(size)
    return Layer(archive, "prod", "3.12", "arm64")


def stubbed(newest: str | None) -> tuple[Stubber, Stubber]:
    """Return stubs of AWS, where the layer's newest version, if any, has that SHA-256."""
    functions = Stubber(
        boto3.client("lambda", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    )
    objects = Stubber(
        boto3.client("s3", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    )
    functions.add_response(
        "list_layer_versions",
        {"LayerVersions": [{"Version": 4}] if newest else []},
        {
            "LayerName": "sluice-prod-worker",
            "CompatibleRuntime": "python3.12",
            "CompatibleArchitecture": "arm64",
            "MaxItems": 1,
        },
    )
    if newest:
        functions.add_response(
            "get_layer_version",
            {"LayerVersionArn": f"{ARN}:4", "Content": {"CodeSha256": newest}},
            {"LayerName": "sluice-prod-worker", "VersionNumber": 4},
        )
    return functions, objects


def expect_published(functions: Stubber, content: dict[str, object]) -> None:
    functions.add_response(
        "publish_layer_version",
        {"LayerVersionArn": f"{ARN}:5"},
        {
            "LayerName": "sluice-prod-worker",
            "Content": content,
            "CompatibleRuntimes": ["python3.12"],
            "CompatibleArchitectures": ["arm64"],
        },
    )


def run(functions: Stubber, objects: Stubber, made: Layer, bucket: str | None = None) -> str:
    with functions, objects:
        arn = publish(cast("Any", functions.client), cast("Any", objects.client), made, bucket)
        functions.assert_no_pending_responses()
        objects.assert_no_pending_responses()
    return arn


@pytest.mark.parametrize("newest", [None, "another"])
def test_a_new_layer_is_published(tmp_path: Path, newest: str | None) -> None:
    functions, objects = stubbed(newest)
    expect_published(functions, {"ZipFile": b""})
    assert run(functions, objects, layer(tmp_path)) == f"{ARN}:5"


def test_an_unchanged_layer_is_not_published_again(tmp_path: Path) -> None:
    functions, objects = stubbed(EMPTY_SHA256)
    assert run(functions, objects, layer(tmp_path)) == f"{ARN}:4"


def test_a_large_layer_goes_through_a_bucket(tmp_path: Path) -> None:
    functions, objects = stubbed(None)
    place = {"Bucket": "deployments", "Key": "layers/sluice-prod-worker.zip"}
    objects.add_response("put_object", {}, {**place, "Body": bytes(MAX_ZIPPED + 1)})
    expect_published(functions, {"S3Bucket": place["Bucket"], "S3Key": place["Key"]})
    objects.add_response("delete_object", {}, place)
    assert run(functions, objects, layer(tmp_path, MAX_ZIPPED + 1), "deployments") == f"{ARN}:5"


def test_a_large_layer_needs_a_bucket(tmp_path: Path) -> None:
    functions, objects = stubbed(None)
    with pytest.raises(StepError, match="--bucket"):
        run(functions, objects, layer(tmp_path, MAX_ZIPPED + 1))
