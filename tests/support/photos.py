"""Pictures made up for tests."""

import io
import random

from PIL import Image


def a_photo(
    width: int = 640, height: int = 480, *, detail: bool = False, exif: bytes = b"", kind: str = "JPEG"
) -> bytes:
    """A picture; with ``detail`` it does not compress well, as a photo does not."""
    image = Image.radial_gradient("L").resize((width, height)).convert("RGB")
    if detail:
        seed = random.Random(7)
        noise = Image.frombytes("L", (width // 4, height // 4), seed.randbytes((width // 4) * (height // 4)))
        image = Image.blend(image, noise.resize((width, height)).convert("RGB"), 0.35)
    out = io.BytesIO()
    image.save(out, kind, quality=88, **({"exif": exif} if exif else {}))
    return out.getvalue()


def dimensions(jpeg: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(jpeg)) as image:
        assert image.format == "JPEG"
        return image.size
