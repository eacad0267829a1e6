"""A picture drawn anew as JPEG from its pixels; for ``child.py``."""

import io

REFUSALS = ("not_a_picture", "too_many_pixels")
MAX_PIXELS = 20_000_000
MEMORY_BYTES = (
    768 * 1024 * 1024
)  # of addresses; 20 million pixels take 60 MB, turned and shrunk at most three times that
CPU_S = 10
FORMATS = ("JPEG", "PNG", "WEBP")


def remake(data: bytes, max_side: int, quality: int) -> tuple[dict[str, object], dict[str, bytes]]:
    """The picture upright, at most ``max_side`` pixels long, as JPEG. Raises ValueError with a code of REFUSALS."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise ValueError("too_many_pixels")
            opened.draft("RGB", (max_side, max_side))
            upright = ImageOps.exif_transpose(opened)
            if "A" in upright.getbands() or "transparency" in upright.info:
                layered = upright.convert("RGBA")
                flat = Image.new("RGB", upright.size, "white")
                flat.paste(layered, mask=layered.getchannel("A"))
            else:
                flat = upright.convert("RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError("too_many_pixels") from None
    except (UnidentifiedImageError, OSError, SyntaxError, IndexError, KeyError, EOFError, TypeError):
        raise ValueError("not_a_picture") from None
    flat.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    drawn = Image.new("RGB", flat.size)
    drawn.paste(flat)  # pixels only: whatever else was attached stays behind
    out = io.BytesIO()
    drawn.save(out, "JPEG", quality=quality, optimize=True)
    return {"width": drawn.width, "height": drawn.height}, {"full": out.getvalue()}
