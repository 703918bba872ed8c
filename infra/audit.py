"""Ask for known vulnerabilities of everything that is pinned: `python -m infra.audit REQUIREMENTS...`.

Exit status 1 if there is one. A package that the vulnerability service could not be asked about (no
network, or a mirror that serves files only) is no failure on a developer's machine, but it is said
loudly; with AUDIT=strict in the environment, as continuous integration should have it, it is one.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

# What LocalStack 4.12.0 needs cannot be moved, runs on developers' machines only and listens on the
# loopback interface only: what is found there is told, but nobody is stopped by it.
TOLD_ONLY = "requirements-localstack.txt"
PIP_AUDIT = [str(Path(sys.executable).with_name("pip-audit")), "--disable-pip", "--require-hashes"]


def say(line: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{line}\n")


def audit(requirements: str) -> list[dict[str, Any]] | None:
    """What pip-audit says of each package; None if it could not ask at all."""
    options = ["--format", "json", "--progress-spinner", "off", "--requirement", requirements]
    cache = ["--cache-dir", str(Path(".local", "cache", "pip-audit").absolute())]
    ended = subprocess.run([*PIP_AUDIT, *options, *cache], capture_output=True, text=True, check=False)
    try:
        told: list[dict[str, Any]] = json.loads(ended.stdout)["dependencies"]
    except (ValueError, KeyError):
        say((ended.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1])
        return None
    return told


def report(requirements: str, packages: list[dict[str, Any]]) -> tuple[bool, bool]:
    """Print the findings; whether there are any, and whether all packages were looked up."""
    found = False
    for package in packages:
        for vulnerability in package.get("vulns", ()):
            found = True
            fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
            say(f"  {package['name']} {package['version']}: {vulnerability['id']}, fixed in {fixed}")
    asked = sum("skip_reason" not in package for package in packages)
    say(f"pip-audit {requirements}: {asked} of {len(packages)} packages looked up")
    return found, asked == len(packages)


def main(files: list[str]) -> int:
    """Audit the files one after the other."""
    vulnerable, complete = False, True
    for file in files:
        packages = audit(file)
        found, whole = report(file, packages) if packages is not None else (False, False)
        vulnerable = vulnerable or (found and Path(file).name != TOLD_ONLY)
        complete = complete and whole
    if not complete:
        say("NOT AUDITED: of some packages above, the vulnerability service could not be asked")
    return int(vulnerable or (not complete and os.environ.get("AUDIT") == "strict"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
