"""docs/reference/portal-settings.md against the routes: every setting of the portal is there, has an effect in words, and a test that is there."""

import re
from pathlib import Path
from typing import NamedTuple, get_args, get_type_hints

import msgspec
import pytest
from litestar.handlers import HTTPRouteHandler

from kereru.messaging.api import ROUTES as MESSAGING
from kereru.provisioning.api import ROUTES as PROVISIONING
from kereru.tenancy.api import ROUTES as TENANCY
from kereru.tenancy.policy import OPT_KEY, Policy

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs/reference/portal-settings.md"
NOUNS = {
    "OrganisationBody": ("provider", "reseller"),
    "NameBody": ("reseller",),
    "GroupBody": ("group",),
    "ChangeGroupBody": ("group",),
    "HelpAnswerBody": ("group",),
    "UserBody": ("user",),
    "ChangeUserBody": ("user",),
    "UserLicenceBody": ("user",),
    "AccountBody": ("portal account",),
    "ChangeAccountBody": ("portal account",),
    "NewPlatformBody": ("platform",),
    "PlatformBody": ("platform",),
    "AssignmentBody": ("number",),
    "AssignmentChangesBody": ("number",),
}
CONFIRMATIONS = {"DeleteBody", "DeletePlatformBody"}
"""They set nothing: a person types them to confirm a deletion."""


class Row(NamedTuple):
    """A line of the page."""

    noun: str
    setting: str
    effect: str
    test: str


def rows() -> list[Row]:
    """The page's table."""
    found = re.findall(r"^\| ([a-z ]+) \| `(\w+)` \| (.+?) \| `([^`]+)` \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [Row(*cells) for cells in found]


def bodies() -> dict[str, type[msgspec.Struct]]:
    """What the portal's routes take."""
    found: dict[str, type[msgspec.Struct]] = {}
    for handler in (*TENANCY, *PROVISIONING, *MESSAGING):
        policy = handler.opt.get(OPT_KEY)
        if isinstance(handler, HTTPRouteHandler) and isinstance(policy, Policy) and policy.audience.kind == "portal":
            taken = get_type_hints(handler.fn).get("data")
            for kind in (taken, *get_args(taken)):
                if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
                    found[kind.__name__] = kind
    return found


def test_every_body_belongs_to_something() -> None:
    """A new form of the portal is named above, so that its settings have to be explained."""
    assert set(bodies()) == set(NOUNS) | CONFIRMATIONS


def test_every_setting_is_explained_and_none_that_is_gone() -> None:
    """Issue 4: a table setting → effect → test."""
    offered = {(noun, field) for name, kind in bodies().items() for noun in NOUNS.get(name, ()) for field in kind.__struct_fields__}
    listed = [(row.noun, row.setting) for row in rows()]
    assert sorted(listed) == sorted(offered)


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.noun} {row.setting}")
def test_the_test_is_there(row: Row) -> None:
    """It stands in that file under that name."""
    path, _, name = row.test.partition("::")
    assert re.search(rf"^(?:async )?def {name}\(", (TESTS / path).read_text(encoding="utf-8"), re.MULTILINE), row.test
    assert len(row.effect) > 10
