"""Look up known vulnerabilities of all pinned requirements: `python -m infra.audit REQUIREMENTS...`.

Exit status 1 if there is one. If the vulnerability service cannot be asked about a package (no network, or a
mirror that only serves files), the command says so, and ends with status 1 if AUDIT=strict is in the
environment, as continuous integration should have it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

# LocalStack 4.12.0 cannot take newer requirements. It runs on developers' machines and listens on the
# loopback interface only, so its vulnerabilities are reported and do not fail the command.
REPORT_ONLY = "requirements-localstack.txt"
PIP_AUDIT = [str(Path(sys.executable).with_name("pip-audit")), "--disable-pip", "--require-hashes"]


def say(line: str) -> None:
    """Write a line to standard output."""
    sys.stdout.write(f"{line}\n")


def audit(requirements: str) -> list[dict[str, Any]] | None:
    """Return pip-audit's entry for each package, or None if it could not run."""
    options = ["--format", "json", "--progress-spinner", "off", "--requirement", requirements]
    cache = ["--cache-dir", str(Path(".local", "cache", "pip-audit").absolute())]
    done = subprocess.run([*PIP_AUDIT, *options, *cache], capture_output=True, text=True, check=False)
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        say((done.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1])
        return None
    return packages


def report(requirements: str, packages: list[dict[str, Any]]) -> tuple[bool, bool]:
    """Print the vulnerabilities. Return whether there are any, and whether all packages were looked up."""
    vulnerable = False
    for package in packages:
        for vulnerability in package.get("vulns", ()):
            vulnerable = True
            fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
            say(f"  {package['name']} {package['version']}: {vulnerability['id']}, fixed in {fixed}")
    looked_up = sum("skip_reason" not in package for package in packages)
    say(f"pip-audit {requirements}: {looked_up} of {len(packages)} packages looked up")
    return vulnerable, looked_up == len(packages)


def main(files: list[str]) -> int:
    """Audit the files one after the other and return the exit status."""
    failed, complete = False, True
    for file in files:
        packages = audit(file)
        vulnerable, whole = report(file, packages) if packages is not None else (False, False)
        failed = failed or (vulnerable and Path(file).name != REPORT_ONLY)
        complete = complete and whole
    if not complete:
        say("NOT AUDITED: of some packages above, the vulnerability service could not be asked")
    return int(failed or (not complete and os.environ.get("AUDIT") == "strict"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
