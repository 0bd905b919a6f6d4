"""Documents name only what there is: links, files, settings, commands with their options, make targets (README, docs/ and the rest at the root)."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from kereru.entrypoints.cli import app
from kereru.kernel.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CODE = re.compile(r"```.*?\n(.*?)```|`([^`\n]+)`", re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)
FILE = re.compile(r"\.?[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_.-]+)*/?")
SUFFIXES = (".py", ".md", ".sql", ".toml", ".ts", ".svelte", ".css", ".mjs", ".lock", "/")
BASES = (
    "", "src/kereru", "src/kereru/tenancy", "src/kereru/messaging", "src/kereru/carriers", "src/kereru/carriers/adapters/restcomm",
    "src/kereru/entrypoints", "src/kereru/entrypoints/postgres", "web", "web/src", "web/src/client", "web/src/shared", "tests", "docs",
)  # fmt: skip
MADE = {
    ".venv/", "postgres/", "logs/", "engine/", "kereru.lock", "metrics/", "src/kereru/api/bundle/", "node_modules/", "web/dist/", ".peers/",
}  # fmt: skip
"""What lies in a home folder or is built, and therefore not in the tree."""


def snippets(document: Path) -> list[str]:
    """All code of a document, in fences and in back-ticks, one line each."""
    found = [fence or tick for fence, tick in CODE.findall(document.read_text(encoding="utf-8"))]
    return [line.strip() for code in found for line in code.splitlines()]


def name(document: Path) -> str:
    return str(document.relative_to(ROOT))


def help_of(command: tuple[str, ...]) -> str:
    """What `kereru COMMAND --help` prints."""
    run = [sys.executable, "-m", "kereru.entrypoints.cli", *command, "--help"]
    return subprocess.run(run, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT / "src"), "COLUMNS": "300"}).stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_somewhere(document: Path) -> None:
    """Relative ones, pictures among them."""
    links = [link for link in LINK.findall(document.read_text(encoding="utf-8")) if "://" not in link and not link.startswith("mailto:")]
    missing = [link for link in links if not (document.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_settings_exist(document: Path) -> None:
    """Each KERERU_… is a setting of this version; KERERU_SERVER is the web developer's (web/vite.config.ts)."""
    known = {PREFIX + field.upper() for field in Settings.__struct_fields__} | {"KERERU_SERVER"}
    assert set(re.findall(rf"{PREFIX}[A-Z_]*[A-Z]", document.read_text(encoding="utf-8"))) - known == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_make_targets_exist(document: Path) -> None:
    targets = set(TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
    named = [match[1] for line in snippets(document) if (match := re.match(r"make ([a-z][a-z-]*)", line))]
    assert set(named) - targets == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_commands_and_their_options_exist(document: Path) -> None:
    """`kereru X`, `kereru X Y`, and every --option said with them."""
    wrong: list[str] = []
    for line in snippets(document):
        match = re.match(r"(?:\.venv/bin/)?kereru ([a-z][a-z-]*)((?: [a-z][a-z-]+)?)", line)
        if not match:
            continue
        if match[1] not in app:
            wrong.append(line)
            continue
        below = [word for word in app[match[1]] if not word.startswith("-")]
        command = (match[1], match[2].strip()) if below and match[2] else (match[1],)
        if len(command) == 2 and command[1] not in below:
            wrong.append(line)
            continue
        options = set(re.findall(r"--[a-z][a-z-]+", line)) - {"--help"}
        if options and (unknown := options - set(re.findall(r"--[a-z][a-z-]+", help_of(command)))):
            wrong.append(f"{line}: {sorted(unknown)}")
    assert wrong == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_files_exist(document: Path) -> None:
    """Paths in back-ticks, from the root, from src/kereru, from a slice, or from web."""
    missing: list[str] = []
    for snippet in snippets(document):
        if FILE.fullmatch(snippet) and snippet.endswith(SUFFIXES) and snippet not in MADE:
            bases = [ROOT / base for base in BASES] + [document.parent]
            if not any((base / snippet).exists() for base in bases):
                missing.append(snippet)
    assert missing == []


def test_the_readme_says_the_two_commands() -> None:
    """Design §10: what a newcomer types."""
    readme = snippets(ROOT / "README.md")
    assert {"make demo", "make test"} <= set(readme)


def test_make_lists_what_it_can_do() -> None:
    """`make` alone prints its help: every target of design §10 that this version has."""
    printed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("demo", "install", "test", "test-fast", "lint"):
        assert re.search(rf"make {target}\s+\S", printed), target


def test_locks_name_no_host() -> None:
    """Design §4: whoever installs decides where from; the hashes say whether it is the same."""
    python, web = (ROOT / "requirements.lock").read_text(), (ROOT / "web" / "package-lock.json").read_text()
    assert "://" not in python
    assert '"resolved"' not in web
    assert "--hash=sha256:" in python
    assert '"integrity": "sha512-' in web
