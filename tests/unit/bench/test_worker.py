import hashlib
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest

from bench import peers
from bench.peers import upsert
from bench.worker import DiskStore, NoRows, copy_lines
from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.completion import Completion
from chalicelib.core.jobs import Job
from chalicelib.core.model import Tally
from chalicelib.core.warnings import FileWarning
from infra.steps.layout import Layout

RECORDS = ['{"a":"x","id":"10"}', '{"a":"back\\\\slash","id":"9"}', '{"id":7,"sub":{"id":99}}']
JOB = cast("Job", None)  # only passed on


def block(records: list[str]) -> PreparedBlock:
    hashes = [hashlib.sha256(record.encode()).digest() for record in records]
    columns = {"content_hash": pa.array(hashes, pa.binary()), "record": pa.array(records, pa.string())}
    return PreparedBlock(0, 4096, 8192, len(records), 0, pa.RecordBatch.from_pydict(columns))


@dataclass
class Ledger:
    blocks: list[PreparedBlock] = field(default_factory=list)

    def write(self, job: Job, block: PreparedBlock) -> Tally:
        self.blocks.append(block)
        return Tally(block.records, len(block.rows), block.records - len(block.rows), 0)

    def write_whole(
        self, job: Job, block: PreparedBlock, warnings: Sequence[FileWarning]
    ) -> tuple[Completion, Tally]:
        assert warnings == ()
        return Completion.COMPLETED, self.write(job, block)


def test_copy_lines_are_in_file_order() -> None:
    lines = copy_lines(block(RECORDS)).decode().splitlines()
    assert [line.split("\t")[4] for line in lines] == [
        RECORDS[2],
        RECORDS[1].replace("\\", "\\\\"),
        RECORDS[0],
    ]
    digest = hashlib.sha256(RECORDS[2].encode()).hexdigest()
    assert lines[0].split("\t")[:4] == ["1", "1", "1", rf"\\x{digest}"]


def test_copy_lines_need_records_with_ids() -> None:
    with pytest.raises(ValueError, match="without an id"):
        copy_lines(block(['{"a":"x"}']))


def test_without_a_folder_rows_are_dropped_and_the_ledger_is_written(tmp_path: Path) -> None:
    ledger = Ledger()
    tally = NoRows(ledger, None).write(JOB, block(RECORDS))
    assert (tally.records, tally.inserted) == (3, 0)
    assert [(it.start, it.end, len(it.rows), it.rejected) for it in ledger.blocks] == [(4096, 8192, 0, 0)]
    assert NoRows(ledger, None).write_whole(JOB, block(RECORDS), ()) == (Completion.COMPLETED, tally)
    assert len(ledger.blocks[1].rows) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_folder_gets_one_file_per_block_named_by_its_offset(tmp_path: Path) -> None:
    NoRows(Ledger(), tmp_path).write(JOB, block(RECORDS))
    (file,) = tmp_path.iterdir()
    assert file.name == "000000000004096.copy"
    assert file.read_bytes() == copy_lines(block(RECORDS))


def test_the_disk_store_reads_a_file_like_an_object(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    store = DiskStore(path)
    source = store.pin("bucket", "key")
    assert (source.bucket, source.key, source.size) == ("bucket", "key", 10)
    assert store.read(source, 3, 7) == b"3456"


def test_the_upsert_hashes_rows_of_sorted_json(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("b,a\n1,ä\n", encoding="utf-8")
    ((digest, record),) = upsert.values(path)
    assert record == '{"a":"ä","b":"1"}'
    assert digest == hashlib.sha256(record.encode()).digest()


def test_versions_of_the_peers_are_pinned() -> None:
    assert peers.PEERS.version_of("dlt")[0].isdigit()
    assert peers.PEERS.version_of("pandas") == "not there"


def test_the_last_line_of_a_script_is_its_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass
    class Process:
        returncode: int
        stdout: str
        stderr: str = "it broke"

    output = json.dumps({"rows": 5, "seconds": 0.5})
    answers: list[Any] = [Process(0, f"a warning\n{output}\n"), Process(1, "")]
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answers.pop(0))
    layout = Layout.at(tmp_path)
    assert peers.run(layout, "postgresql://", "upsert.py") == (5, 0.5)
    with pytest.raises(RuntimeError, match="it broke"):
        peers.run(layout, "postgresql://", "upsert.py")
