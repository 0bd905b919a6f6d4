"""The scheduler's work: every job of every slice, in one worker."""

from functools import partial

from kereru.kernel.db import Database
from kereru.kernel.jobs import Handler, JobKind
from kereru.kernel.jobs.worker import JobStore, work
from kereru.kernel.settings import Settings
from kereru.messaging import jobs as messaging_jobs
from kereru.messaging.attachments.jobs import FETCH_MEDIA, Fetcher, fetch_media
from kereru.notifications import jobs as notification_jobs
from kereru.notifications.sign_in import SignInMails, send_sign_in_mail
from kereru.provisioning import jobs as provisioning_jobs
from kereru.provisioning.desk import Desk
from kereru.tenancy.access.links import start_reset
from kereru.tenancy.access.mails import SEND_SIGN_IN_MAIL, START_RESET


def handlers(settings: Settings, database: Database, desk: Desk, fetcher: Fetcher) -> dict[JobKind, Handler]:
    """Who does which job. `database` has the role kereru_app, as the desk's and the fetcher's have."""
    letters = SignInMails(database, settings, desk.sealer)
    own: dict[JobKind, Handler] = {START_RESET: partial(start_reset, database), SEND_SIGN_IN_MAIL: partial(send_sign_in_mail, letters)}
    own |= provisioning_jobs.handlers(desk) | messaging_jobs.handlers(database)
    own[FETCH_MEDIA] = partial(fetch_media, fetcher)
    return own | notification_jobs.handlers(notification_jobs.MailRoom(database, settings))


async def run_jobs(settings: Settings, database: Database, desk: Desk, fetcher: Fetcher) -> None:
    """Run jobs until cancelled. `database` names the one whose jobs are run; its own pool serves the work, not the queue."""
    await work(JobStore(database.url, settings.server_url or database.url), handlers(settings, database, desk, fetcher))
