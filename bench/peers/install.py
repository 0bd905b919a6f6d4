"""Installs the peers into `.peers/` of the checkout and nowhere else: Debian packages unpacked, Jasmin in a virtualenv of its own."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.rounds import say

JASMIN = "jasmin==0.11.1"
# Jasmin 0.11.1 imports pkg_resources, which newer ones lack.
SETUPTOOLS = "setuptools<80"
DEBIAN = ("kannel", "redis-server", "rabbitmq-server")


class PeerMissing(Exception):
    """A peer cannot be installed here; the message says why."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the parts lie."""

    folder: Path

    @property
    def root(self) -> Path:
        """What the Debian packages hold, as they would lie under /."""
        return self.folder / "root"

    @property
    def jasmin(self) -> Path:
        """Jasmin's virtualenv."""
        return self.folder / "jasmin"

    def program(self, name: str) -> str:
        """The path of an unpacked program. Raises PeerMissing."""
        for folder in ("usr/sbin", "usr/bin", "usr/lib/erlang/bin", "usr/lib/rabbitmq/bin"):
            if (path := self.root / folder / name).exists():
                return str(path)
        message = f"{name} is not among what was unpacked"
        raise PeerMissing(message)

    def environment(self, **more: str) -> dict[str, str]:
        """For unpacked programs: their libraries and theirs alone before the system's."""
        libraries = [str(path) for top in ("usr/lib", "lib") for path in sorted((self.root / top).glob("*-linux-gnu"))]
        path = f"{self.root}/usr/lib/erlang/bin:{os.environ.get('PATH', '/usr/bin:/bin')}"
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries), "PATH": path, **more}


def install_kannel(places: Places) -> None:
    """Kannel. Raises PeerMissing."""
    _unpack(places)
    places.program("bearerbox")


def install_jasmin(places: Places) -> None:
    """Jasmin, RabbitMQ and Redis. Raises PeerMissing."""
    _unpack(places)
    places.program("redis-server")
    _move_erlang(places)
    if (places.jasmin / "bin/jasmind.py").exists():
        return
    say(f"peers: installing {JASMIN} into {places.jasmin}")
    shutil.rmtree(places.jasmin, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(places.jasmin)], "a virtualenv for Jasmin")
    pip = [str(places.jasmin / "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    try:
        _run([*pip, SETUPTOOLS, "wheel"], SETUPTOOLS)
        _run([*pip, JASMIN], JASMIN)
    except PeerMissing:
        shutil.rmtree(places.jasmin, ignore_errors=True)
        raise


def _unpack(places: Places) -> None:
    if places.root.exists():
        return
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        message = "it comes as a Debian package, and this system has neither apt-get nor dpkg"
        raise PeerMissing(message)
    say(f"peers: fetching the Debian packages {', '.join(DEBIAN)} and what they need, into {places.root}")
    # Best effort: without the right to update, the lists that are there have to do.
    with contextlib.suppress(PeerMissing):
        _run(["apt-get", "update", "-qq"], "the present lists of packages")
    # What this machine lacks of what they need; what it has is used as it is.
    plan = _run(["apt-get", "--simulate", "--no-install-recommends", "install", *DEBIAN], "the list of packages")
    wanted = {line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")} | set(DEBIAN)
    # apt-get drops its rights for the download, and may not enter a private folder.
    with tempfile.TemporaryDirectory(prefix="kb-peers-", dir="/var/tmp") as scratch:
        Path(scratch).chmod(0o777)
        _run(["apt-get", "download", "-qq", *sorted(wanted)], "the Debian packages", Path(scratch))
        fresh = Path(scratch) / "root"
        for package in sorted(Path(scratch).glob("*.deb")):
            _run(["dpkg", "-x", str(package), str(fresh)], package.name)
        places.folder.mkdir(exist_ok=True)
        shutil.move(fresh, places.root)


def _move_erlang(places: Places) -> None:
    """Debian's `erl` knows where it was built to lie; tell it where it lies."""
    script = places.root / "usr/lib/erlang/bin/erl"
    if not script.exists():
        message = "RabbitMQ needs Erlang, which is installed on this machine but not in the folder of the peers"
        raise PeerMissing(message)
    script.write_text(script.read_text().replace("=/usr/lib/erlang", f"={places.root}/usr/lib/erlang"))


def _run(command: Sequence[str], what: str, folder: Path | None = None, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, env=environment, timeout=600)  # noqa: S603
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line and not line.startswith(("WARNING", "W:"))]
        message = f"{what} could not be had: {lines[-1] if lines else f'exit code {done.returncode}'}"
        raise PeerMissing(message)
    return done.stdout
