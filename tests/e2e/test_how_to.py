"""The how-to pages, followed step by step on the deployed service."""

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg

from tests.support.client import run
from tests.support.deployed_service import client_env, query
from tests.support.docpages import blocks, page, quoted, table

# What differs from run to run: ids, seconds, and phases, which may be too short to be seen
_VARIES = re.compile(r"[0-9a-f-]{36}|\d+\.\d s|^[A-Z]+: [a-z-]+\n", re.MULTILINE)


def test_the_tutorial_shows_what_happens(stack: Mapping[str, str], dataset: str, tmp_path: Path) -> None:
    markdown = page("tutorial.md")
    file, corrected = blocks(markdown, "csv")
    first, second, table_of_rows = blocks(markdown, "text")
    (reject,) = blocks(markdown, "json")
    lines = [line for block in blocks(markdown, "sh") for line in block.splitlines()]
    upload, errors, again = (line for line in lines if line.startswith("sluice "))
    (select,) = (line for line in lines if line.startswith("make psql SQL="))
    path = tmp_path / "people.csv"

    def follow(line: str) -> str:
        line = line.replace("--dataset people", f"--dataset {dataset}")
        return run(stack, tmp_path, line, with_messages=True).replace(f"dataset {dataset}", "dataset people")

    path.write_text(file, encoding="utf-8")
    printed = follow(upload)
    assert _VARIES.sub("", printed) == _VARIES.sub("", first)
    (found,) = map(json.loads, follow(errors.replace("JOB_ID", job_id_in(printed))).splitlines())
    assert found.items() >= json.loads(reject).items()
    path.write_text(file.rpartition("3,Edsger")[0] + corrected, encoding="utf-8")
    assert _VARIES.sub("", follow(again)) == _VARIES.sub("", second)
    rows = query(stack, select.split('"')[1].replace("'people'", f"'{dataset}'"))
    head, _, *shown, count = table_of_rows.splitlines()
    assert [cell.strip() for cell in head.split("|")] == ["name", "city"]
    assert [tuple(cell.strip() for cell in line.split("|")) for line in shown] == rows
    assert count == f"({len(rows)} rows)"


def test_a_program_sends_a_file(stack: Mapping[str, str], dataset: str, tmp_path: Path) -> None:
    (file, _) = blocks(page("tutorial.md"), "csv")
    path = tmp_path / "people.csv"
    path.write_text(file, encoding="utf-8")
    names: dict[str, Any] = dict(client_env(stack["SLUICE_URL"]))
    for block in blocks(page("send-files-from-a-program.md"), "python"):
        exec(block.replace('"people.csv", "people"', f'"{path}", "{dataset}"'), names)  # noqa: S102 - the page's

    names["api"].close()
    counts = {"read": 3, "inserted": 2, "duplicates": 0, "rejected": 1}
    assert names["job"]["counts"] == counts
    assert [reject["code"] for reject in names["rejects"]] == ["extra-cell"]


def test_the_data_is_queried(stack: Mapping[str, str]) -> None:
    with psycopg.connect(stack["DATABASE_URL"]) as connection:
        for block in blocks(page("query-the-data.md"), "sql"):
            for statement in block.replace(" CONCURRENTLY", "").split(";\n"):  # which no transaction allows
                connection.execute(statement.encode())
        connection.rollback()


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
