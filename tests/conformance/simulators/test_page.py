"""The page in a real browser: a person texts, sees answers, breaks things, generates a key; no error, no violation (ui.md, G for people)."""

import shutil

import aiohttp
import pytest
from playwright.async_api import Page, async_playwright

from kereru.simulators.testing import RunningSimulators

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"
PHONE = "+12025550142"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
async def test_a_person_rehearses(sim: RunningSimulators, http: aiohttp.ClientSession, scheme: str, width: int) -> None:
    """Phone, STOP, live answer, log with detail (R96-R98), faults as switches, Generate API key (R193), ledger; axe on each."""
    troubles: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page(
            viewport={"width": width, "height": 844},
            color_scheme=scheme,  # pyright: ignore[reportArgumentType]
        )
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda line: troubles.append(line.text) if line.type == "error" else None)
        await page.goto(sim.url)
        await page.get_by_label("This phone's number").fill("202 555 0142")
        await page.get_by_label("Texts with").select_option("+13125550160")
        await page.get_by_placeholder("Text message").fill("Is the blue one still there?")
        await page.keyboard.press("Enter")
        await page.locator(".bubble.out", has_text="Is the blue one").wait_for()
        await page.get_by_role("button", name="STOP").click()
        await page.locator(".bubble.out", has_text="STOP").wait_for()
        body = {"from": "13125550160", "to": ["12025550142"], "text": "<b>It is</b>"}
        async with http.post(f"{sim.url}/inteliquent/msgbroker/rest/publishMessages", json=body, headers={"Authorization": "Bearer out-key"}):
            await page.locator(".bubble.in", has_text="<b>It is</b>").wait_for()
        assert [t.text for t in await sim.control.phone_messages(PHONE)] == ["Is the blue one still there?", "STOP", "<b>It is</b>"]
        if width < 1024:
            await page.get_by_role("button", name="Carriers").click()
        await consoles(sim, page)
        assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert troubles == []
        await browser.close()


async def consoles(sim: RunningSimulators, page: Page) -> None:
    """Everything right of the phone."""
    await page.get_by_role("tab", name="Inteliquent").click()
    await page.locator("td", has_text="STOP").first.click()
    await page.locator("#sheet", has_text="4 characters · 1 segment").wait_for()
    await page.keyboard.press("Escape")
    await clean(page)
    await page.get_by_role("button", name="API keys").click()
    await page.get_by_role("button", name="Generate API key").click()
    await page.locator("tbody tr").nth(1).wait_for()
    await page.get_by_role("tab", name="Faults").click()
    await page.get_by_role("switch", name="Refuse the text").check()
    await page.locator("#tab-faults .count", has_text="1").wait_for()
    assert [armed.fault.kind for armed in sim.simulators.world.faults.items()] == ["refuse"]
    await clean(page)
    await page.get_by_role("tab", name="Ledger").click()
    await page.locator("td", has_text="publishMessages").wait_for()
    await clean(page)


async def clean(page: Page) -> None:
    """No accessibility violation. axe is injected past the page's own strict policy, by the debugger."""
    from axe_playwright_python.base import AXE_FILE_PATH

    if not await page.evaluate("typeof window.axe === 'object'"):
        await page.evaluate(AXE_FILE_PATH.read_text(encoding="utf-8"))
    found = await page.evaluate("axe.run().then(r => r.violations.map(v => v.id + ': ' + v.nodes[0].html))")
    assert found == []
