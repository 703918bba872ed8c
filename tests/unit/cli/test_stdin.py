"""``sluice upload -``: what comes on standard input, of a length that is not known before its end."""

import errno
import hashlib
import io
import json
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice_cli import errors
from sluice_cli.main import main
from sluice_cli.transfer.local_file import CHUNK_SIZE, STDIN, LocalFile
from tests.support.cli_fake import CSV, JOB_ID, FakeSluice
from tests.support.cli_fake_parts import DENIED, FakeParts, numbers_put


def upload(server: FakeSluice, data: bytes, *arguments: str, command: str = "upload") -> Result:
    env = {"SLUICE_URL": server.url}
    return CliRunner().invoke(main, [command, "-", *arguments], input=data, env=env)


def test_standard_input_is_sent_under_the_name_that_is_given(server: FakeSluice) -> None:
    result = upload(server, CSV, "--filename", "people.csv")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[:3] == [
        "reading standard input",
        f"job {JOB_ID}",
        "uploading people.csv, 16 bytes",
    ]
    assert server.requests_of("POST")[0].json == {
        "filename": "people.csv",
        "size": len(CSV),
        "sha256": hashlib.sha256(CSV).hexdigest(),
        "part_checksums": True,
    }
    assert [*server.objects.values()] == [CSV]


@pytest.mark.parametrize("command", ["upload", "preview"])
@pytest.mark.parametrize("name", ["./-", ".//-"])
def test_a_file_may_have_the_name_that_stands_for_standard_input(
    server: FakeSluice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-").write_bytes(CSV)
    result = CliRunner().invoke(main, [command, name], input=b"other", env={"SLUICE_URL": server.url})
    assert "Error" not in result.output
    assert server.requests_of("POST")[0].json["filename"] == "-"
    assert [*server.objects.values()] == [CSV]


@pytest.mark.parametrize("pattern", ["*", "./*", "[-]"])
def test_a_pattern_finds_the_file_of_that_name_and_not_standard_input(
    server: FakeSluice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-").write_bytes(CSV)
    assert CliRunner().invoke(main, ["upload", pattern], env={"SLUICE_URL": server.url}).exit_code == 0
    assert [*server.objects.values()] == [CSV]


def test_standard_input_needs_a_name_before_anything_is_read(server: FakeSluice) -> None:
    result = upload(server, CSV)
    assert result.exit_code == errors.INPUT_ERROR
    assert result.stderr.splitlines() == [
        "Error: Standard input has no name.",
        "Give one, such as --filename people.csv: sluice upload -",
    ]
    assert server.requests == []


def test_empty_standard_input_is_refused(server: FakeSluice) -> None:
    result = upload(server, b"", "--filename", "people.csv")
    assert result.exit_code == errors.INPUT_ERROR
    assert "Standard input is empty" in result.stderr
    assert server.requests == []


def test_json_is_alone_on_stdout(server: FakeSluice) -> None:
    result = upload(server, CSV, "--filename", "people.csv", "--json")
    assert json.loads(result.stdout)["id"] == JOB_ID


def test_a_preview_of_standard_input(server: FakeSluice) -> None:
    upload(server, CSV, "--filename", "people.csv", command="preview")
    (post,) = server.requests_of("POST")
    assert post.json["filename"] == "people.csv"
    assert post.json["preview"] is True


def test_a_large_standard_input_that_broke_off_is_resumed_with_the_same_bytes(
    server: FakeSluice, s3: FakeParts, large: Path
) -> None:
    data = large.read_bytes()
    s3.puts = {7: [DENIED]}
    broken = upload(server, data, "--filename", "big.csv")
    again = f"sluice upload - --filename big.csv --resume {JOB_ID}"
    assert broken.exit_code == errors.SERVICE_ERROR
    assert f"To resume the upload: {again}" in broken.stderr
    assert "with the same bytes on standard input" in broken.stdout
    missing = set(range(1, 12)) - s3.stored.keys()
    sent = len(numbers_put(server))

    resumed = upload(server, data, "--filename", "big.csv", "--resume", JOB_ID)

    assert resumed.exit_code == 0
    assert set(numbers_put(server)[:]) == set(range(1, 12))
    assert len(numbers_put(server)) - sent == len(missing)
    assert s3.whole == data


def test_other_bytes_do_not_resume_an_upload(server: FakeSluice, s3: FakeParts, large: Path) -> None:
    data = large.read_bytes()
    s3.puts = {7: [DENIED]}
    upload(server, data, "--filename", "big.csv")
    other = upload(server, bytes(len(data)), "--resume", JOB_ID)
    assert other.exit_code == errors.INPUT_ERROR
    assert "Standard input is not the file that the upload was begun with" in other.stderr


class Stream(io.BytesIO):
    """Notes how much is asked for at a time; may end with an error."""

    def __init__(self, data: bytes, error: OSError | None = None) -> None:
        super().__init__(data)
        self.asked = set[int | None]()
        self._error = error

    def read(self, size: int | None = -1, /) -> bytes:
        self.asked.add(size)
        chunk = super().read(size)
        if not chunk and self._error:
            raise self._error
        return chunk


def test_memory_does_not_grow_with_standard_input() -> None:
    stream = Stream(bytes(5 * CHUNK_SIZE + 1))
    with LocalFile.spooled(stream, "x.csv") as file:
        assert (file.size, file.path) == (5 * CHUNK_SIZE + 1, STDIN)
    assert stream.asked == {CHUNK_SIZE}


@settings(max_examples=30)
@given(data=st.binary(min_size=1, max_size=3000))
def test_what_is_spooled_is_what_came(data: bytes) -> None:
    with LocalFile.spooled(io.BytesIO(data), "x.csv") as file:
        assert b"".join(file.chunks(lambda _: None)) == data
        assert file.sha256() == hashlib.sha256(data).hexdigest()


def test_the_copy_has_no_name_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with LocalFile.spooled(io.BytesIO(CSV), "x.csv"):
        assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device."),
        (OSError(errno.EIO, "Input/output error"), "Input/output error."),
    ],
)
def test_a_copy_that_cannot_be_made_says_where(error: OSError, message: str) -> None:
    with pytest.raises(errors.InputError) as raised, LocalFile.spooled(Stream(CSV, error), "x.csv"):
        pass
    assert raised.value.message == f"Cannot copy standard input to {tempfile.gettempdir()}: {message}"
    assert "TMPDIR" in str(raised.value.hint)
