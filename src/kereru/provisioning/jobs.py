"""The jobs of provisioning and who does them."""

from functools import partial

from kereru.kernel.jobs import Handler, JobKind
from kereru.provisioning.desk import Desk
from kereru.provisioning.licences.commands import LICENCE_TURNED, licence_turned
from kereru.provisioning.numbers.assigning import REGISTER_NUMBER, REMOVE_WEBHOOK, carry_on
from kereru.provisioning.numbers.commands import POINT_WEBHOOK, point_webhook, remove_webhook
from kereru.provisioning.numbers.deletion import PURGE_AGAIN, purge_again
from kereru.provisioning.numbers.watching import LOOK_AT_WEBHOOKS, look_at_webhooks


def handlers(desk: Desk) -> dict[JobKind, Handler]:
    """What the worker needs to run them."""
    return {
        LICENCE_TURNED: partial(licence_turned, desk),
        REGISTER_NUMBER: partial(carry_on, desk),
        REMOVE_WEBHOOK: partial(remove_webhook, desk),
        POINT_WEBHOOK: partial(point_webhook, desk),
        LOOK_AT_WEBHOOKS: partial(look_at_webhooks, desk),
        PURGE_AGAIN: partial(purge_again, desk),
    }
