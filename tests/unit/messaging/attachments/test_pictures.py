"""Pictures as phones make them (bad input 84, P28)."""

from pathlib import Path

import pytest
from PIL import Image

from kereru.messaging.attachments.pictures import Order, look


@pytest.fixture
def double(tmp_path: Path) -> str:
    """A JPEG that was taken upright somewhere, with its depth as a second picture behind it."""
    told = Image.Exif()
    told[0x010F], told[0x0112] = "Maker", 6
    told.get_ifd(0x8825)[2] = (52.0, 0.0, 0.0)
    path = tmp_path / "taken.jpg"
    Image.effect_noise((800, 600), 80).convert("RGB").save(path, "MPO", save_all=True, append_images=[Image.new("RGB", (80, 60))], exif=told)
    return str(path)


@pytest.mark.parametrize(("most", "size"), [(None, (600, 800)), (60_000, (360, 480))])
def test_a_phones_double_picture_is_its_first_one(double: str, tmp_path: Path, most: int | None, size: tuple[int, int]) -> None:
    """Made anew it holds neither place nor maker nor the second picture, and it can be shrunk like any other."""
    fresh = tmp_path / "fresh"
    outcome = look(Order(double, "image/jpeg", str(tmp_path / "preview"), str(fresh), most))
    assert (outcome.problem, outcome.content_type, (outcome.width, outcome.height)) == ("", "image/jpeg", size)
    with Image.open(fresh) as made:
        assert (made.format, made.size, dict(made.getexif())) == ("JPEG", size, {})
