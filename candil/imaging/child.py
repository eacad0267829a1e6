"""Decodes one strange picture and writes it anew as JPEG, in a process that may do nothing else.

Run by its path with ``python -I``: bytes on standard input, a line of JSON and then the JPEG on standard output. It
limits its own memory, time and files before it reads anything, and has no other part of us loaded. What comes out is
drawn from pixels alone: no metadata, no colour profile, nothing hidden behind the picture.
"""

import io
import json
import resource
import sys
import warnings

NO_DECODER = 3  # exit status: Pillow is not there, which is no fault of the picture
MAX_PIXELS = 20_000_000
MEMORY_BYTES = (
    768 * 1024 * 1024
)  # of addresses; 20 million pixels take 60 MB, turned and shrunk at most three times that
CPU_S = 10
FORMATS = ("JPEG", "PNG", "WEBP")


def confine() -> None:
    """Nothing here may write a file, start a process or grow."""
    limits = {
        resource.RLIMIT_AS: MEMORY_BYTES,
        resource.RLIMIT_CPU: CPU_S,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 64,
    }
    for limit, most in limits.items():
        _, hard = resource.getrlimit(limit)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (most, most))


def redraw(data: bytes, max_side: int, quality: int) -> tuple[dict[str, int], bytes]:
    """The picture upright, at most ``max_side`` pixels long, as JPEG. Raises ValueError with a code."""
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
    return {"width": drawn.width, "height": drawn.height}, out.getvalue()


def main() -> int:
    confine()
    warnings.simplefilter("error")
    max_side, quality = int(sys.argv[1]), int(sys.argv[2])
    try:
        size, jpeg = redraw(sys.stdin.buffer.read(), max_side, quality)
    except ValueError as error:
        code = str(error) if str(error) == "too_many_pixels" else "not_a_picture"
        sys.stdout.buffer.write(json.dumps({"refused": code}).encode() + b"\n")
        return 0
    except ImportError:
        return NO_DECODER
    except (MemoryError, Warning):
        sys.stdout.buffer.write(json.dumps({"refused": "too_heavy"}).encode() + b"\n")
        return 0
    sys.stdout.buffer.write(json.dumps(size).encode() + b"\n" + jpeg)
    return 0


if __name__ == "__main__":
    sys.exit(main())
