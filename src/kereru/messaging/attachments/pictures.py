"""Looks into one file in a process of its own, with little memory and time, so that whatever a decoder does, nothing else is harmed.

`python -I -m kereru.messaging.attachments.pictures` reads an Order as JSON from its input and answers an Outcome on its output. Promises: how many
pixels a picture claims to have is judged before anything is decoded (bad input 80); what it writes was decoded and encoded anew, so that it holds
neither a place, nor a camera, nor bytes of another kind behind the picture (bad inputs 79, 84).
"""

import os
import resource
import sys
from pathlib import Path

import msgspec
import pypdfium2
from PIL import Image, ImageOps, ImageSequence

from kereru.kernel.limits import PICTURE_FRAMES, PICTURE_PIXELS, PREVIEW_PIXELS

MEMORY_BYTES = 2 * 2**30
CPU_S = 20
FILE_BYTES = 256 * 2**20
_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF", "image/bmp": "BMP", "image/webp": "WEBP"}
_SIDES = (2048, 1600, 1280, 1024, 800, 640, 480, 320)
_QUALITIES = (85, 75, 60)
_RIGHTS = ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CPU, CPU_S), (resource.RLIMIT_FSIZE, FILE_BYTES), (resource.RLIMIT_CORE, 0))
_ORIENTATION = 0x0112
_NEEDED = frozenset({"transparency", "icc_profile", "background", "duration", "loop"})
_FRAMES_PIXELS = 10 * PICTURE_PIXELS


class Order(msgspec.Struct, frozen=True):
    """What to do: read `source`; write it anew to `target` (None: leave it), at most `shrink_to` bytes if given; draw a preview."""

    source: str
    content_type: str
    preview: str
    target: str | None = None
    shrink_to: int | None = None


class Outcome(msgspec.Struct, frozen=True):
    """How that ended. `problem`: too_large, unreadable or cannot_shrink; then nothing else counts. `content_type` of what `target` holds."""

    problem: str = ""
    content_type: str = ""
    width: int | None = None
    height: int | None = None
    preview: tuple[int, int] | None = None


class _Problem(Exception):
    pass


def look(order: Order) -> Outcome:
    """Carry an order out."""
    try:
        if order.content_type == "application/pdf":
            return Outcome(content_type=order.content_type, preview=_page(order))
        return _picture(order)
    except _Problem as problem:
        return Outcome(problem=str(problem))
    except MemoryError:
        return Outcome(problem="too_large")
    except Exception:  # noqa: BLE001 - decoders raise anything
        return Outcome(problem="unreadable")


def _picture(order: Order) -> Outcome:
    with Image.open(order.source, formats=[_FORMATS[order.content_type]]) as picture:
        if picture.width * picture.height > PICTURE_PIXELS:
            raise _Problem("too_large")
        frames = getattr(picture, "n_frames", 1)
        if frames > PICTURE_FRAMES or frames * picture.width * picture.height > _FRAMES_PIXELS:
            raise _Problem("too_large")
        content_type, size = order.content_type, picture.size
        if order.shrink_to is not None:
            content_type, size = _shrunk(picture, frames, order.shrink_to, order.target or "")
        elif order.target is not None:
            size = _anew(picture, frames, order.target)
        picture.seek(0)
        preview = _preview(ImageOps.exif_transpose(picture), order.preview)
        return Outcome("", content_type, *size, preview)


def _anew(picture: Image.Image, frames: int, target: str) -> tuple[int, int]:
    """The same picture without anything but its pixels, its colours' profile and, if it moves, its times."""
    kind = _kind(picture)
    if frames > 1 and kind in ("GIF", "PNG", "WEBP"):
        loop = int(picture.info.get("loop", 0))
        moving = [frame.copy() for frame in ImageSequence.Iterator(picture)]
        times = [int(frame.info.get("duration", 100)) for frame in moving]
        for frame in moving:
            _bare(frame)
        moving[0].save(target, format=kind, save_all=True, append_images=moving[1:], duration=times, loop=loop)
        return picture.size
    turned = picture.getexif().get(_ORIENTATION, 1) != 1
    upright = ImageOps.exif_transpose(picture) if turned else picture
    upright.load()
    _bare(upright)
    # "keep": as well as it was, where the picture need not be turned.
    upright.save(
        target,
        format=kind,
        **({"quality": "keep" if picture.format == "JPEG" and not turned else 92, "exif": b"", "comment": b""} if kind == "JPEG" else {}),
    )
    return upright.size


def _kind(picture: Image.Image) -> str:
    """A phone's JPEG may hold its depth or a brighter version as a second picture; only the first is the picture."""
    return "JPEG" if picture.format == "MPO" else picture.format or ""


def _bare(picture: Image.Image) -> None:
    """What a file says beside its pixels lies in `info`, and some formats write it back."""
    picture.info = {name: value for name, value in picture.info.items() if name in _NEEDED}


def _shrunk(picture: Image.Image, frames: int, most: int, target: str) -> tuple[str, tuple[int, int]]:
    """The largest version of at most `most` bytes, as JPEG."""
    if frames > 1 and _kind(picture) != "JPEG":
        raise _Problem("cannot_shrink")
    plain = _on_white(ImageOps.exif_transpose(picture))
    for side in _SIDES:
        small = plain.copy()
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        for quality in _QUALITIES:
            small.save(target, format="JPEG", quality=quality, optimize=True)
            if Path(target).stat().st_size <= most:
                return "image/jpeg", small.size
    raise _Problem("cannot_shrink")


def _on_white(picture: Image.Image) -> Image.Image:
    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return picture.convert("RGB")
    clear = picture.convert("RGBA")
    ground = Image.new("RGBA", clear.size, "white")
    return Image.alpha_composite(ground, clear).convert("RGB")


def _preview(picture: Image.Image, target: str) -> tuple[int, int]:
    has_alpha = "A" in picture.getbands() or "transparency" in picture.info
    small = picture.convert("RGBA" if has_alpha else "RGB")
    small.thumbnail((PREVIEW_PIXELS, PREVIEW_PIXELS), Image.Resampling.LANCZOS)
    small.save(target, format="WEBP", quality=80)
    return small.size


def _drawn(document: pypdfium2.PdfDocument) -> Image.Image:
    page = document[0]
    scale = PREVIEW_PIXELS / max(*page.get_size(), 1.0)
    return page.render(scale=scale).to_pil()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - the library has few types


def _page(order: Order) -> tuple[int, int] | None:
    """A PDF's first page; None where there is none to be seen, as behind a password."""
    try:
        drawn = _drawn(pypdfium2.PdfDocument(order.source))
    except (pypdfium2.PdfiumError, ValueError, IndexError):
        return None
    return _preview(drawn, order.preview)


def confine() -> None:
    """Give up all that this work does not need. What a system does not know of stays as it is."""
    os.nice(10)
    for what, most in _RIGHTS:
        try:
            resource.setrlimit(what, (most, most))
        except (ValueError, OSError):
            continue
    # Our own limit is asked before anything is decoded.
    Image.MAX_IMAGE_PIXELS = None


def main() -> None:
    """Serve one order."""
    confine()
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    sys.stdout.buffer.write(msgspec.json.encode(look(order)))


if __name__ == "__main__":
    main()
