"""What the page shows of the carriers' own consoles (R94–R98, R102, R157, R158, R193) and of the mailbox.

Promises: the same facts as the carriers' APIs give, for a person who is signed in to the carrier; so secrets are shown here.
"""

from kereru.simulators.asgi import Answer, Outcome, Request
from kereru.simulators.inteliquent.api import Inteliquent
from kereru.simulators.mailbox import Mailbox
from kereru.simulators.restcomm.api import Restcomm
from kereru.simulators.world import World


class Console:
    """Console data over one world."""

    def __init__(self, world: World, restcomm: Restcomm, inteliquent: Inteliquent, mailbox: Mailbox) -> None:
        self.world, self.restcomm, self.inteliquent, self.mailbox = world, restcomm, inteliquent, mailbox

    async def handle(self, request: Request) -> Outcome | None:
        """Answer a request, or None when the path is not one of these."""
        return None if request else Answer(404)
