"""What can go wrong when somebody says how a remote party stands."""

from kereru.kernel.errors import Conflict, Invalid


class NotYoursToAllow(Conflict):
    """This person or their carrier asked for no more texts, so only they can take that back, by texting START."""

    code = "not_yours_to_allow"


class BadHelpAnswer(Invalid):
    """The answer to HELP has to fit into one text: at most 160 plain characters, without emoji or letters of other scripts."""

    code = "bad_help_answer"
