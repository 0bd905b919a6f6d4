"""What can go wrong with files, as people and programs read it."""

from kereru.kernel.errors import Conflict, Invalid, KereruError, NotFound, TooMany


class NoSuchAttachment(NotFound):
    """This file does not exist, or it is not yours."""

    code = "attachment_not_found"


class NotAFileForm(Invalid):
    """Send one file as multipart/form-data, in a part named "file"."""

    code = "not_a_file_form"


class EmptyFile(Invalid):
    """This file is empty, so there is nothing to send."""

    code = "file_empty"


class FileTooLarge(Invalid):
    """This file is too large."""

    code = "file_too_large"


class FileTypeRefused(Invalid):
    """This kind of file cannot be sent. Possible are .txt .mpeg .mp3 .mp4 .pdf .jpeg .jpg .bmp .png .gif .csv."""

    code = "file_type_refused"


class PictureTooLarge(Invalid):
    """This picture has too many pixels or frames. Send a smaller version."""

    code = "picture_too_large"


class FileUnreadable(Invalid):
    """This file is damaged: it cannot be read as what it claims to be."""

    code = "file_unreadable"


class CannotShrink(Invalid):
    """This file cannot be made small enough. It can still go as a link."""

    code = "cannot_shrink"


class UploadCutOff(KereruError):
    """The upload stopped before its end. Nothing was kept; try again."""

    code = "upload_cut_off"
    status = 422


class TooManyUnsent(TooMany):
    """You have too many uploaded files that were never sent. Remove some from your drafts, then try again."""

    code = "too_many_unsent"


class NotHereYet(Conflict):
    """This file has not arrived yet."""

    code = "file_not_here"


class NotFetchable(Conflict):
    """This file is not one that can be fetched again."""

    code = "file_not_fetchable"
