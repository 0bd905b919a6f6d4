"""What the realtime API refuses."""

from kereru.kernel.errors import KereruError, TooMany


class BadCursor(KereruError):
    """This position in the list of changes is not one we gave you. Load your data again and go on from the cursor that comes with it."""

    code = "bad_cursor"
    status = 400


class TooManyFollowers(TooMany):
    """Your account is open in too many windows at once. Close some of them, then try again."""

    code = "too_many_windows"
