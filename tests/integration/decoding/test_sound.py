"""Recordings by strangers: what phones and browsers write is taken, whatever else is refused within its bounds."""

import random
import struct
import time

import pytest

from candil.consults.attachments import MAX_VOICE_S
from candil.decoding.aio.decoder import Decoder, NotDecodable
from candil.decoding.sound import container_of
from tests.support.sounds import Heard, a_sound

SECRET = "SECRETPLACE"


async def refusal(data: bytes) -> str:
    with pytest.raises(NotDecodable) as refused:
        await Decoder().sound(data)
    return refused.value.code


@pytest.mark.parametrize("container", ["webm", "ogg", "mp4", "mp3", "wav"])
async def test_what_recorders_write_becomes_two_small_forms_without_what_it_carried(container: str) -> None:
    recorded = a_sound(3, container, title=SECRET, comment=SECRET, location=SECRET)
    made = await Decoder().sound(recorded)
    assert abs(made.duration_ms - 3000) < 120
    forms = {"full": (made.data, "ogg", "opus", 3000), "mp3": (made.also["mp3"], "mp3", "mp3", 4500)}
    for data, name, codec, bytes_per_s in forms.values():
        heard = Heard(data)
        assert (heard.container, heard.codec.removesuffix("float"), heard.channels) == (name, codec, 1)
        assert abs(heard.seconds - 3) < 0.2
        assert heard.loudness > 0.1
        assert len(data) < 3 * bytes_per_s
        assert SECRET.encode() not in data
        assert SECRET not in str(heard.tags)


async def test_two_channels_become_one_and_any_usual_rate_will_do() -> None:
    assert Heard((await Decoder().sound(a_sound(1, "wav", channels=2, rate_hz=44_100))).data).channels == 1
    assert abs((await Decoder().sound(a_sound(1, "wav", rate_hz=8_000))).duration_ms - 1000) < 100


@pytest.mark.parametrize("container", ["webm", "ogg", "mp3", "wav"])
async def test_a_recording_that_was_cut_off_still_says_what_it_says(container: str) -> None:
    whole = a_sound(4, container)
    made = await Decoder().sound(whole[: len(whole) // 2])
    assert 1000 < made.duration_ms < 3500


HTML = b"<!doctype html><script>alert(1)</script>"
PLAYLISTS = [
    b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    b"ffconcat version 1.0\nfile /etc/passwd\n",
    b"[playlist]\nFile1=http://127.0.0.1/\n",
]


@pytest.mark.parametrize(
    "data",
    [
        *PLAYLISTS,
        HTML,
        b"\0",
        b"OggS" + HTML,
        b"\x1aE\xdf\xa3" + PLAYLISTS[0],
        b"RIFF\xff\xff\xff\xffWAVE" + b"\0" * 4000,
        b"\0\0\0\x18ftypM4A " + b"\0" * 300,
        b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + b"\0" * 4000,
        a_sound(1, "mp4")[:600],
        a_sound(1, "flac"),
        a_sound(1, "wav", channels=6),
        a_sound(0.05, "wav"),
    ],
    ids=[
        "m3u", "concat", "pls", "html", "a byte", "ogg head", "webm head", "empty wav", "empty mp4", "endless tag",
        "mp4 without its table", "a codec of no recorder", "six channels", "a click",
    ],
)  # fmt: skip
async def test_what_is_no_voice_is_refused(data: bytes) -> None:
    assert await refusal(data) == "not_a_sound"


def test_the_first_bytes_choose_the_one_demuxer() -> None:
    """No playlist is ever asked what it is, whatever it begins with."""
    assert {container_of(data) for data in [*PLAYLISTS, HTML, b"", b"RIFF1234AVI ", b"\xff"]} == {""}
    assert [container_of(a_sound(0.3, name)) for name in ("webm", "ogg", "mp4", "mp3", "wav")] == [
        "matroska", "ogg", "mov", "mp3", "wav",
    ]  # fmt: skip


async def test_longer_than_two_minutes_is_refused_and_just_two_minutes_taken() -> None:
    assert await refusal(a_sound(MAX_VOICE_S + 4, "ogg")) == "too_long"
    made = await Decoder().sound(a_sound(MAX_VOICE_S + 1, "ogg"))
    assert made.duration_ms > MAX_VOICE_S * 1000
    assert len(made.data) < 260_000


def ogg_page(payloads: list[bytes], number: int, flags: int, granule: int) -> bytes:
    """RFC 3533, 6."""
    head = b"OggS" + struct.pack("<BBqIII", 0, flags, granule, 1, number, 0) + bytes([len(payloads)])
    page = bytearray(head + bytes(len(p) for p in payloads) + b"".join(payloads))
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = ((crc << 1) ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    page[22:26] = struct.pack("<I", crc)
    return bytes(page)


async def test_a_few_kilobytes_that_are_hours_of_sound_are_too_long() -> None:
    """120 ms in one byte each: 96,000 times as much as what comes in."""
    pages = [
        ogg_page([b"OpusHead\x01\x01\0\0\x80\xbb\0\0\0\0\0"], 0, 2, 0),
        ogg_page([b"OpusTags\0\0\0\0\0\0\0\0"], 1, 0, 0),
    ]
    silence = bytes([(1 << 3) | 3, 6])  # SILK, 20 ms, six empty frames of it
    for number in range(2, 150):
        pages.append(ogg_page([silence] * 200, number, 0, number * 200 * 5760))
    bomb = b"".join(pages)
    assert len(bomb) < 100_000
    began = time.monotonic()
    assert await refusal(bomb) == "too_long"
    assert time.monotonic() - began < 30


async def test_a_sample_a_second_does_not_become_a_flood() -> None:
    wav = bytearray(a_sound(1, "wav", rate_hz=8_000))
    wav[24:28] = struct.pack("<I", 1)
    assert await refusal(bytes(wav)) == "not_a_sound"


async def test_a_sound_with_a_page_behind_it_is_only_the_sound() -> None:
    made = await Decoder().sound(a_sound(2, "mp3") + HTML * 50)
    assert abs(made.duration_ms - 2000) < 200
    for data in (made.data, made.also["mp3"]):
        assert b"script" not in data


@pytest.mark.parametrize("seed", range(8))
async def test_a_broken_file_is_taken_or_refused_and_nothing_else(seed: int) -> None:
    chosen = random.Random(seed)
    data = bytearray(a_sound(1, chosen.choice(["webm", "ogg", "mp4", "mp3", "wav"])))
    for _ in range(chosen.choice([1, 5, 50, 500])):
        data[chosen.randrange(len(data))] = chosen.randrange(256)
    try:
        assert (await Decoder().sound(bytes(data))).duration_ms <= (MAX_VOICE_S + 3) * 1000
    except NotDecodable as refused:
        code = refused.code
    else:
        code = ""
    assert code in ("", "not_a_sound", "too_long", "too_heavy")


async def test_time_is_limited() -> None:
    with pytest.raises(NotDecodable) as late:
        await Decoder(sound_limit_s=0.01).sound(a_sound(2))
    assert late.value.code == "too_heavy"
