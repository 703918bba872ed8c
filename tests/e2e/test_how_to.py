"""The how-to pages, followed step by step on the deployed service."""

import csv
from collections.abc import Mapping
from pathlib import Path

from tests.support.client import run
from tests.support.deployed_service import query
from tests.support.docpages import blocks, page, quoted, table


def job_id_in(output: str) -> str:
    return next(word for word in output.replace("'", " ").split() if word.count("-") == 4 and len(word) == 36)


def test_a_rejected_file_is_fixed(stack: Mapping[str, str], dataset: str, tmp_path: Path) -> None:
    markdown = page("how-to/fix-a-rejected-file.md")
    (file,) = blocks(markdown, "csv")
    upload, summary, download, again = (line.strip() for line in blocks(markdown, "sh"))
    (tmp_path / "people.csv").write_text(file, encoding="utf-8")

    def follow(line: str, job_id: str = "") -> str:
        return run(
            stack,
            tmp_path,
            line.replace("JOB_ID", job_id).replace("--dataset people", f"--dataset {dataset}"),
        )

    printed = follow(upload)
    job_id = job_id_in(printed)
    kinds = follow(summary, job_id)
    assert [code for code in ("extra-cell", "stray-quote", "missing-cell") if code not in kinds] == []
    assert "3 of 7 records were rejected." in kinds
    follow(download, job_id)

    head = ("`_line`", "`id`", "`name`", "`born`", "`city`", "`email`")
    names = [quoted(name) for name in head[1:]]
    corrections = {line: cells for line, *cells in table(markdown, *head)}
    with (tmp_path / "rejects.csv").open(encoding="utf-8-sig", newline="") as saved:
        reader = csv.DictReader(saved)
        columns, rows = list(reader.fieldnames or ()), list(reader)
    assert {row["_line"] for row in rows} == set(corrections)
    with (tmp_path / "rejects.csv").open("w", encoding="utf-8-sig", newline="") as saved:
        writer = csv.DictWriter(saved, columns)
        writer.writeheader()
        for row in rows:
            writer.writerow(row | dict(zip(names, corrections[row["_line"]], strict=True)))

    assert "rejects-file" in follow(again)
    found = query(
        stack,
        "SELECT record->>'id', record->>'name', record->>'city', record->>'email' FROM ingested_data"
        " JOIN datasets ON datasets.id = dataset_id WHERE name = %s ORDER BY 1",
        dataset,
    )
    assert [row[0] for row in found] == list("1234567")
    assert found[2] == ("3", "Edsger Dijkstra", "Rotterdam, NL", "edsger@example.org")
    assert found[4] == ("5", 'Barbara "Liskov"', "Los Angeles", "barbara@example.org")
    for line in (upload, again):
        follow(line)
    assert (
        len(
            query(
                stack,
                "SELECT FROM ingested_data JOIN datasets ON datasets.id = dataset_id WHERE name = %s",
                dataset,
            )
        )
        == 7
    )


def test_a_persons_records_are_erased(stack: Mapping[str, str], dataset: str, tmp_path: Path) -> None:
    markdown = page("how-to/erase-a-persons-records.md")
    (file,) = blocks(markdown, "csv")
    upload, erase, again = (line.strip() for line in blocks(markdown, "sh"))
    (tmp_path / "people.csv").write_text(file, encoding="utf-8")
    (tmp_path / "value.txt").write_text("ada@example.org\n", encoding="utf-8")

    def follow(line: str) -> str:
        return run(
            stack,
            tmp_path,
            line.replace("people ", f"{dataset} ").replace("--dataset people", f"--dataset {dataset}"),
        )

    def emails() -> list[str]:
        found = query(
            stack,
            "SELECT record->>'email' FROM ingested_rows WHERE tenant = 'default' AND dataset = %s",
            dataset,
        )
        return sorted(row[0] for row in found)

    follow(upload)
    assert emails() == ["ada@example.org", "ada@example.org", "grace@example.org"]
    assert follow(erase) == "Erased: rows: 2, rejects emptied: 0, files: 1.\n"
    assert emails() == ["grace@example.org"]
    follow(again)
    assert emails() == ["grace@example.org"]
