"""What can go wrong with contacts."""

from kereru.kernel.errors import Conflict, Invalid, NotFound


class NoSuchContact(NotFound):
    """This contact does not exist, or it is not yours."""

    code = "contact_not_found"


class TooManyContacts(Conflict):
    """You have as many contacts as fit. Delete some that you no longer need, then try again."""

    code = "too_many_contacts"


class BadContact(Invalid):
    """Some of what you entered cannot be kept."""

    code = "bad_contact"


class UnreadableFile(Invalid):
    """This is neither a vCard nor a CSV file with a heading for each column. Export it again from the other program and choose that file."""

    code = "unreadable_file"
