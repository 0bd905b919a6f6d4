"""The command line as a person meets it: fast help, plain refusals, exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src"


def kereru(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the program with no KERERU_ settings but these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KERERU_")}
    command = [sys.executable, "-c", "from kereru.entrypoints.cli import main; main()", *words]
    return subprocess.run(command, env={**kept, "PYTHONPATH": str(SOURCE), **environment}, capture_output=True, text=True, timeout=60, check=False)


def test_help_lists_every_command() -> None:
    """Without loading what the commands need."""
    answer = kereru("--help")
    assert answer.returncode == 0
    for command in ("serve", "migrate", "doctor", "demo", "admin", "upgrade-database"):
        assert command in answer.stdout


def test_help_does_not_import_the_product() -> None:
    """That is what keeps it fast."""
    probe = "import sys; import kereru.entrypoints.cli; print([name for name in ('litestar', 'psycopg', 'structlog') if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", probe], env={**os.environ, "PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (("serve", "--host", "0.0.0.0"), {}, "--insecure-http"),
        (("serve",), {"KERERU_PORT": "many"}, "KERERU_PORT should be a whole number"),
        (("serve",), {"KERERU_PROT": "8080"}, "KERERU_PROT is not a setting"),
        (("upgrade-database", "--from-binaries", "/nowhere"), {}, "There is no database"),
    ],
)
def test_a_refusal_is_one_plain_line(words: tuple[str, ...], environment: dict[str, str], said: str, tmp_path: Path) -> None:
    """On standard error, exit code 1, no traceback."""
    answer = kereru(*words, "--home", str(tmp_path / "home"), **environment)
    assert answer.returncode == 1
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.stdout == ""


def test_doctor_ends_with_one_when_something_is_wrong(tmp_path: Path) -> None:
    """For scripts that look before they start."""
    (tmp_path / "file").write_text("")
    assert kereru("doctor", "--home", str(tmp_path / "file"), "--port", "0").returncode == 1
