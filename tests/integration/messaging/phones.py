"""Phones' MMS as they come in by the simulated carriers, and the job that fetches their files."""

import base64
import io
from itertools import count

from PIL import Image

from assembled import House
from kereru.kernel.http_client import StrangerClient
from kereru.messaging.attachments.intake import Files
from kereru.messaging.attachments.jobs import Fetcher, NotYet, fetch_media
from tenant import INTELIQUENT_NUMBER, PHONE, Tenant

_references = count(1)


class Door(StrangerClient):
    """Counts what was asked for, and with which credentials."""

    def __init__(self, tenant: Tenant, more: tuple[str, ...] = ()) -> None:
        host = tenant.simulators.url.removeprefix("http://")
        super().__init__(allow_private_hosts=(host, *more))
        self.asked: list[tuple[str, bool]] = []

    async def send(self, method, url, **more):
        self.asked.append((url, "Authorization" in (more.get("headers") or {})))
        return await super().send(method, url, **more)


def png(colour: str = "teal", size: tuple[int, int] = (40, 30)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


async def arrive(house: House, carrier: str, text: str, *files: bytes, declared: str = "image/png", layout: bool = True) -> None:
    """A phone's text comes in by a carrier that keeps its files, with the layout that phones add."""
    simulators = house.tenant.simulators
    media, account = simulators.simulators.world.media, house.account_sid
    names = [media.put_layout(carrier, account)] if layout and files else []
    if ";" in declared:
        # With a charset: the simulated carrier's own phones declare none.
        names += [media.keep(each, declared) for each in files]
    else:
        names += [media.put(base64.b64encode(each).decode(), declared, carrier, account) for each in files]
    urls = [f"{simulators.url}/media/{name}" for name in names]
    if carrier == "restcomm":
        kinds = ["application/smil"] * (len(names) - len(files)) + [declared] * len(files)
        listed = {f"MediaUrl{n}": url for n, url in enumerate(urls)} | {f"MediaContentType{n}": kind for n, kind in enumerate(kinds)}
        answer = await house.restcomm(Body=text, NumMedia=str(len(urls)), **listed)
    else:
        reference = f"mms-{next(_references)}"
        body = {"referenceId": reference, "from": PHONE[1:], "to": [INTELIQUENT_NUMBER[1:]], "text": text, "mediaUrls": urls}
        answer = await house.inteliquent(body)
    assert answer.status_code == 200, answer.text


async def received(house: House, carrier: str) -> dict:
    """The one text that came in by a carrier."""
    [message] = await house.messages("ana" if carrier == "restcomm" else "ben", PHONE)
    return message


async def fetch(house: House, message_id: str, *, times: int = 1, files: Files | None = None, more: tuple[str, ...] = (), **given: float) -> Door:
    """Run the job, as the worker would; `more` hosts may be asked."""
    tenant = house.tenant
    async with Door(tenant, more) as door:
        hosts = (*tenant.settings.allow_private_hosts, *more)
        fetcher = Fetcher(tenant.database, tenant.desk.sealer, door, files or tenant.files, hosts, **given)
        for _ in range(times):
            try:
                await fetch_media(fetcher, {"provider": tenant.provider_id, "message": int(message_id)})
            except NotYet:
                continue
        return door
