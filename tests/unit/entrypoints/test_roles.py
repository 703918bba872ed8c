"""What `python -m chalicelib.roles` refuses before it changes anything."""

from pathlib import Path

import pytest

from chalicelib.entrypoints import roles
from chalicelib.entrypoints.roles import NoPassword, set_logins

NOWHERE = "postgresql://127.0.0.1:1/none"


@pytest.mark.parametrize("argument", ["api", "api=", "owner=file", "=file"])
def test_an_argument_must_name_a_role_and_a_source(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        roles.main([argument])
    assert ended.value.code == 2
    assert "is not ROLE=SOURCE with a role of api, worker, sweep, analyst" in capsys.readouterr().err


def test_an_empty_password_is_refused_before_any_login_changes(tmp_path: Path) -> None:
    good, empty = tmp_path / "good", tmp_path / "empty"
    good.write_text("password\n")
    empty.write_text("\n")
    with pytest.raises(NoPassword, match="empty"):
        set_logins(NOWHERE, {"api": str(good), "worker": str(empty)})
    with pytest.raises(FileNotFoundError):
        set_logins(NOWHERE, {"api": str(tmp_path / "missing")})
