"""What can be wrong with a machine, in words for the person who runs it: one sentence about what is wrong, one about what to do next."""

import errno
from pathlib import Path


class MachineProblem(Exception):
    """Kererū cannot run like this. `code` is stable, `text` says what is wrong, `advice` what to do next."""

    def __init__(self, code: str, text: str, advice: str) -> None:
        self.code = code
        self.text = text
        self.advice = advice
        super().__init__(f"{text} {advice}")


class Stopped(MachineProblem):
    """A stop was asked for before the start was complete. Not a fault."""

    def __init__(self) -> None:
        super().__init__("stopped", "The start was stopped.", "Start again whenever you like.")


def disk_full(folder: Path | str) -> MachineProblem:
    """No room is left on the disk that holds `folder`."""
    return MachineProblem(
        "disk_full",
        f"The disk that holds {folder} is full.",
        "Nothing that was saved is lost; free some space there, or choose another folder with --home, then start again.",
    )


def folder_not_writable(folder: Path | str) -> MachineProblem:
    """We may not write to `folder`."""
    return MachineProblem(
        "folder_not_writable",
        f"Kererū may not write to {folder}.",
        "Give this user the right to write there, or choose another folder with --home.",
    )


def from_os_error(error: OSError, folder: Path | str) -> MachineProblem:
    """The words for what the system answered when we worked on `folder`."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return disk_full(folder)
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return folder_not_writable(folder)
    return MachineProblem("folder_unusable", f"Kererū cannot use {folder}: {error.strerror or error}.", "Choose another folder with --home.")
