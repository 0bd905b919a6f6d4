"""mo_slow_disk: ingest with two more milliseconds a disk flush, beside our own one-transaction-a-text mode over the same connections."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

from bench.mo_ingest import Ingest, ingesting
from bench.options import Options
from bench.rounds import Figures, Result, in_turns

_SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
static void wait_more(void) { struct timespec t = {0, 2000000}; nanosleep(&t, 0); }
int fdatasync(int fd) { static int (*real)(int); if (!real) real = dlsym(RTLD_NEXT, "fdatasync"); wait_more(); return real(fd); }
int fsync(int fd) { static int (*real)(int); if (!real) real = dlsym(RTLD_NEXT, "fsync"); wait_more(); return real(fd); }
"""
# The sink takes one text a transaction, over as many flushers as there are connections.
ONE_BY_ONE = (
    "import functools\n"
    "from kereru.messaging.inbound import sink\n"
    "sink.INGEST_BATCH = 1\n"
    "sink.Batcher = functools.partial(sink.Batcher, flushers=6)\n"
    "from kereru.entrypoints.cli import main\n"
    "main()\n"
)


@contextlib.contextmanager
def slow_disk() -> Generator[dict[str, str]]:
    """The environment of an engine whose flushes take two milliseconds longer. Raises FileNotFoundError without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        message = "mo_slow_disk needs a C compiler (cc)"
        raise FileNotFoundError(message)
    folder = Path(tempfile.mkdtemp(prefix="kb-shim-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        (folder / "shim.c").write_text(_SHIM)
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(folder / "shim.so"), str(folder / "shim.c"), "-ldl"], check=True)  # noqa: S603
        (folder / "shim.so").chmod(0o755)
        yield {"LD_PRELOAD": str(folder / "shim.so")}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def _side(options: Options, environment: dict[str, str], program: str = "") -> AsyncGenerator[Ingest]:
    async with ingesting(options, people=500, environment=environment, program=program) as (ingest, _, __, ___):
        yield ingest


async def run(options: Options) -> list[Result]:
    """The benchmark: two installations on engines of the same slowness, in turns."""
    with slow_disk() as environment:
        async with _side(options, environment) as batched, _side(options, environment, ONE_BY_ONE) as single:

            async def ours() -> Figures:
                return await batched.subject()

            async def one_by_one() -> Figures:
                return await single.subject()

            result = await in_turns("mo_slow_disk", ours, one_by_one, goal=3.0, rounds=options.rounds)
    result.note = "two installations on engines of their own; the ruler commits each text alone, six at a time"
    return [result]
