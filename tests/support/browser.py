"""A real Chromium, driven by chromedriver over the WebDriver protocol (https://www.w3.org/TR/webdriver2/)."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.waiting import PATIENCE

PROGRAMS = ("chromium", "chromedriver")
SWITCHES = (
    "--headless",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have little of it
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the specification's name for a reference to an element


class Browser:
    """One window."""

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, url: str) -> None:
        """Load the page from scratch, also when only the fragment of its address is another."""
        self._send("POST", "url", {"url": "about:blank"})
        self._send("POST", "url", {"url": url})

    def type(self, selector: str, text: str) -> None:
        """Type a text into an element; into one for files, their paths."""
        self._send("POST", f"element/{self._find(selector)}/value", {"text": text})

    def click(self, selector: str) -> None:
        self._send("POST", f"element/{self._find(selector)}/click", {})

    def text(self, selector: str) -> str:
        """Return the text of an element as a person sees it."""
        return str(self._send("GET", f"element/{self._find(selector)}/text"))

    def run(self, body: str, *arguments: Any) -> Any:
        """Return what the body of an async function gives in the page: a JSON value."""
        script = (
            "const given = [...arguments], done = given.pop();"
            f"(async (...args) => {{ {body} }})(...given).then(done, (error) => done(String(error)));"
        )
        return self._send("POST", "execute/async", {"script": script, "args": list(arguments)})

    def _find(self, selector: str) -> str:
        found = self._send("POST", "element", {"using": "css selector", "value": selector})
        return str(found[_ELEMENT])

    def _send(self, method: str, path: str, body: Any = None) -> Any:
        return _ask(method, f"{self._session}/{path}", body)


def _ask(method: str, url: str, body: Any = None) -> Any:
    answer = httpx.request(method, url, json=body, timeout=PATIENCE, trust_env=False)
    value = answer.json()["value"]
    assert answer.status_code == 200, value
    return value


def require_programs() -> None:
    """Skip the test where Chromium is not installed; in continuous integration fail."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if not missing:
        return
    reason = f"no {' and no '.join(missing)} here. On Debian: apt-get install chromium chromium-driver"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """Yield a browser without history, which writes into the folder and nowhere else; it is removed."""
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    folder.mkdir(parents=True)
    env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(folder), "TMPDIR": str(folder)}
    driver = subprocess.Popen(
        ["chromedriver", "--port=0"], env=env, cwd=folder, stdout=subprocess.PIPE, text=True
    )
    with driver:
        try:
            address = _address_of(driver)
            switches = [*SWITCHES, f"--user-data-dir={folder / 'profile'}"]
            if os.geteuid() == 0:  # as in continuous integration: Chromium refuses to run as root otherwise
                switches.append("--no-sandbox")
            options = {"binary": shutil.which(PROGRAMS[0]), "args": switches}
            wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
            session = f"{address}/session/{_ask('POST', f'{address}/session', wanted)['sessionId']}"
            try:
                yield Browser(session)
            finally:
                _ask("DELETE", session)
        finally:
            driver.terminate()
            driver.wait()
            shutil.rmtree(folder, ignore_errors=True)


def _address_of(driver: subprocess.Popen[str]) -> str:
    assert driver.stdout is not None
    for line in driver.stdout:
        if found := re.search(r"started successfully on port (\d+)", line):
            return f"http://127.0.0.1:{found[1]}"
    raise AssertionError(f"chromedriver ended with status {driver.wait()}")
