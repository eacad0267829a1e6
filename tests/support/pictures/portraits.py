"""Drawings of people as films for Chromium's fake camera: nobody real is ever before it."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser

SIZE = {"width": 640, "height": 480}


@dataclass(frozen=True)
class Portrait:
    wall: str
    thing: str  # what stands on the wall behind
    clothes: str
    skin: str
    hair: str
    extra: str = ""  # more SVG, over everything


STETHOSCOPE = (
    '<path d="M262 352c-26 60-12 112 22 118M378 352c26 60 12 112-22 118" fill="none" '
    'stroke="#34445e" stroke-width="9"/>'
    '<circle cx="356" cy="466" r="15" fill="#8fa0b5" stroke="#34445e" stroke-width="5"/>'
)
GLASSES = (
    '<g fill="none" stroke="#3d3a4b" stroke-width="6">'
    '<circle cx="284" cy="216" r="31"/><circle cx="356" cy="216" r="31"/>'
    '<path d="M315 212q5-6 10 0"/></g>'
)
DOCTOR = Portrait("#dde8e3", "#b8d0c5", "#fdfdfb", "#d7a07c", "#2c2522", STETHOSCOPE)
PATIENT = Portrait("#f0e4cf", "#d6b27a", "#41709f", "#c68d69", "#a9a7a6", GLASSES)
COMPANION = Portrait("#dfe3ee", "#aab4cf", "#7a5c86", "#bd8361", "#3a2a22")

_DRAWING = """<body style="margin:0"><svg viewBox="0 0 640 480" width="640" height="480">
<rect width="640" height="480" fill="{wall}"/><path d="M0 400h640v80H0z" fill="{thing}" opacity=".35"/>
<rect x="462" y="52" width="128" height="168" fill="{thing}" rx="8"/>
<rect x="476" y="66" width="100" height="140" fill="{wall}" rx="4"/>
<path d="M484 196q26-60 46-22t40-30v52z" fill="{thing}"/>
<path d="M206 190c-14-140 70-168 114-168s128 28 114 168c-4 60-14 96-30 110H236c-16-14-26-50-30-110z"
fill="{hair}"/>
<path d="M92 480c0-96 92-138 228-138s228 42 228 138z" fill="{clothes}"/>
<path d="M272 286h96v62c0 40-96 40-96 0z" fill="{skin}"/>
<path d="M272 306q48 44 96 0v14q-48 40-96 0z" fill="#000" opacity=".12"/>
<ellipse cx="320" cy="218" rx="86" ry="104" fill="{skin}"/>
<path d="M228 214c-4-92 40-122 92-122s96 30 92 122c-8-46-26-72-50-84-40 26-90 28-114 20-10 14-16 34-20 64z"
fill="{hair}"/>
<path d="M266 186q18-12 36 0M338 186q18-12 36 0" fill="none" stroke="{hair}" stroke-width="6" stroke-linecap="round"/>
<circle cx="284" cy="216" r="8" fill="#2b2320"/><circle cx="356" cy="216" r="8" fill="#2b2320"/>
<path d="M320 222q-12 30 4 34" fill="none" stroke="#000" opacity=".25" stroke-width="5" stroke-linecap="round"/>
<path d="M286 274q34 24 68 0" fill="none" stroke="#8a3b2e" stroke-width="7" stroke-linecap="round"/>{extra}</svg>"""


async def film(painter: Browser, portrait: Portrait, path: Path) -> str:
    """The flag that puts a portrait before the camera: an MJPEG of two equal frames at ``path``."""
    page = await painter.new_page(viewport=SIZE)
    await page.set_content(_DRAWING.format(**vars(portrait)))
    frame = await page.screenshot(type="jpeg", quality=85)
    await page.close()
    await asyncio.to_thread(path.write_bytes, frame * 2)
    return f"--use-file-for-fake-video-capture={path}"
