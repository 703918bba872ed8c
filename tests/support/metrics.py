"""Metrics as a process writes them to its output."""

import json

import pytest


def written_metrics(capsys: pytest.CaptureFixture[str]) -> list[tuple[dict[str, float], str | None]]:
    """Return the metrics since the last call, and the job that each line is of."""
    written = []
    for line in capsys.readouterr().out.splitlines():
        document = json.loads(line)
        if "_aws" in document:
            names = [metric["Name"] for metric in document["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
            written.append(({name: sum(document[name]) for name in names}, document.get("job_id")))
    return written
