"""Offers we write, answers we read: a browser's, a wrong one, and noise."""

import re
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from candil.errors import ConfigError, PeerError
from media.config import AudioParameters, MediaConfig
from media.negotiation import Negotiation
from media.sdp_answer import MAX_SDP_BYTES, read_answer
from media.sdp_offer import OfferedMedia, OfferTransport, build_offer

TRANSPORT = OfferTransport(1, "ufrag123", "p" * 24, "AA:" * 31 + "AA", ("2001:db8::1", "192.0.2.7"), 4000)
FINGERPRINT = ":".join(["AB"] * 32)


def negotiation(audio: AudioParameters | None = None) -> Negotiation:
    numbers = iter(range(1000, 9999))
    return Negotiation(TRANSPORT, audio or AudioParameters(), lambda: next(numbers))


def answer_to(offer: str, **changes: str) -> str:
    """What a browser answers: same m-lines, other direction, SSRCs where it sends."""
    head = {
        "ufrag": "a=ice-ufrag:abcd", "pwd": "a=ice-pwd:" + "q" * 24, "setup": "a=setup:active",
        "fingerprint": f"a=fingerprint:sha-256 {FINGERPRINT}",
    } | changes  # fmt: skip
    lines = ["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", *(line for line in head.values() if line)]
    for section in offer.split("m=")[1:]:
        kind = section.split(" ")[0]
        mid = re.search(r"a=mid:(\S+)", section)
        assert mid is not None
        flip = {"recvonly": "sendonly", "sendonly": "recvonly", "inactive": "inactive"}
        direction = next(flip[name] for name in flip if f"a={name}\r\n" in section)
        codecs = "111" if kind == "audio" else "96 97"
        lines += [f"m={kind} 9 UDP/TLS/RTP/SAVPF {codecs}", f"a=mid:{mid.group(1)}", f"a={direction}"]
        lines += ["a=rtpmap:111 opus/48000/2"] if kind == "audio" else ["a=rtpmap:96 VP8/90000"]
        if direction == "sendonly" and kind == "audio":
            lines.append("a=ssrc:11 cname:x")
        elif direction == "sendonly":
            lines += ["a=ssrc-group:FID 21 22", "a=ssrc:21 cname:x", "a=ssrc:22 cname:x"]
    return "\r\n".join(lines) + "\r\n"


def test_offer_has_own_lines_then_a_pair_for_each_publisher() -> None:
    session = negotiation()
    session.set_publishers(["par_1", "par_2"])
    offer = session.next_offer()
    assert offer is not None
    assert "a=group:BUNDLE a0 v0 a1 v1 a2 v2\r\n" in offer
    assert offer.count("a=recvonly") == 2
    assert offer.count("a=sendonly") == 4
    assert "a=msid:par_2 video\r\n" in offer
    assert "a=ice-lite\r\n" in offer
    assert "a=setup:actpass\r\n" in offer
    assert "a=candidate:1 1 udp " in offer
    assert " 2001:db8::1 4000 typ host" in offer
    assert "m=application" not in offer
    priorities = [int(value) for value in re.findall(r"udp (\d+) ", offer)]
    assert priorities[0] > priorities[1]
    assert len(offer) < 4_600  # at 20 kbit/s each kilobyte costs 0.4 s


def test_tcp_candidates_are_passive_and_below_every_udp_candidate() -> None:
    transport = OfferTransport(1, "ufrag", "password", "AA:BB", ("192.0.2.1", "2001:db8::1"), 4000, tcp_port=4001)
    offer = build_offer(transport, 1, [OfferedMedia("a0", "audio", "recvonly")], AudioParameters())
    assert len(re.findall(r"a=candidate:\d+ 1 tcp \d+ \S+ 4001 typ host tcptype passive\r\n", offer)) == 2
    udp = [int(value) for value in re.findall(r"1 udp (\d+) ", offer)]
    tcp = [int(value) for value in re.findall(r"1 tcp (\d+) ", offer)]
    assert min(udp) > max(tcp)
    assert tcp[1] > tcp[0]  # IPv6 first, as for UDP
    assert all(priority >> 21 & 7 == 4 for priority in tcp)  # RFC 6544 section 4.2: passive
    assert len(set(re.findall(r"a=candidate:(\d+) ", offer))) == 4


def test_audio_parameters_reach_the_offer() -> None:
    offer = negotiation(AudioParameters(ptime_ms=120, max_average_bitrate_bps=6000, use_dtx=True)).next_offer()
    assert offer is not None
    assert "maxaveragebitrate=6000;minptime=10;stereo=0;useinbandfec=1;usedtx=1;maxplaybackrate=16000\r\n" in offer
    assert "a=ptime:120\r\na=maxptime:120\r\n" in offer


def test_narrowband_is_asked_for_by_the_playback_rate() -> None:
    offer = negotiation(AudioParameters(max_average_bitrate_bps=6000, narrowband=True)).next_offer()
    assert offer is not None
    assert ";usedtx=0;maxplaybackrate=8000\r\n" in offer
    plain = negotiation().next_offer()
    assert plain is not None
    assert ";maxplaybackrate=16000\r\n" in plain


def test_sound_that_the_page_changes_by_itself_is_only_in_later_offers() -> None:
    session = negotiation()
    first = session.next_offer()
    assert first is not None
    session.apply_answer(answer_to(first))
    session.set_audio(AudioParameters(ptime_ms=120), offer=False)
    assert session.next_offer() is None
    session.set_publishers(["par_1"])
    second = session.next_offer()
    assert second is not None
    assert "a=ptime:120" in second
    session.set_audio(AudioParameters(ptime_ms=40), offer=False)  # while that one is out
    session.apply_answer(answer_to(second))
    assert session.next_offer() is None
    session.set_audio(AudioParameters(ptime_ms=20))
    third = session.next_offer()
    assert third is not None
    assert "a=ptime:20" in third


def test_what_we_send_is_numbered_for_feedback_unless_remb_is_compared() -> None:
    def sections(**changes: bool) -> dict[str, str]:
        session = Negotiation(replace(TRANSPORT, **changes), AudioParameters(), iter(range(1, 99)).__next__)
        session.set_publishers(["par_1"])
        offer = session.next_offer()
        assert offer is not None
        return {part.split("a=mid:")[1][:2]: part for part in offer.split("\r\nm=")[1:]}

    stamped = sections()
    for mid in ("a1", "v1"):
        assert "a=extmap:4 http://www.ietf.org/id/draft-holmer" in stamped[mid]
        assert "transport-cc\r\n" in stamped[mid]
    assert "goog-remb" not in stamped["v1"]
    assert "goog-remb" in stamped["v0"]
    assert "extmap:4" not in stamped["a0"]
    assert "a=rtcp-fb:111 nack\r\n" in stamped["a0"]
    assert "a=rtcp-fb:111 nack\r\n" in stamped["a1"]
    compared = sections(stamped=False, audio_nack=False)
    assert "abs-send-time" in compared["v1"]
    assert "goog-remb" in compared["v1"]
    assert "transport-cc" not in compared["v1"] + compared["a1"]
    assert "rtcp-fb:111" not in compared["a0"] + compared["a1"]


def test_one_offer_at_a_time_and_changes_go_into_the_next() -> None:
    session = negotiation()
    first = session.next_offer()
    assert first is not None
    session.set_publishers(["par_1"])
    assert session.next_offer() is None
    session.apply_answer(answer_to(first))
    second = session.next_offer()
    assert second is not None
    assert "o=- 1 2 IN" in second
    _, accepted = session.apply_answer(answer_to(second))
    assert [(line.publisher, line.kind) for line in accepted] == [("par_1", "audio"), ("par_1", "video")]
    assert session.next_offer() is None
    session.set_audio(AudioParameters(ptime_ms=20))
    assert session.next_offer() is not None


def test_freed_lines_go_inactive_and_are_reused_with_new_ssrcs() -> None:
    session = negotiation()
    session.set_publishers(["par_1", "par_2"])
    session.apply_answer(answer_to(session.next_offer() or ""))
    before = {slot.publisher: slot.video_ssrc for slot in session.slots}
    session.set_publishers(["par_2"])
    offer = session.next_offer() or ""
    assert offer.count("a=inactive") == 2
    session.apply_answer(answer_to(offer))
    session.set_publishers(["par_2", "par_3"])
    offer = session.next_offer() or ""
    assert offer.count("m=") == 6
    assert "a=msid:par_3 audio" in offer
    after = {slot.publisher: slot.video_ssrc for slot in session.slots}
    assert after["par_2"] == before["par_2"]
    assert after["par_3"] not in before.values()


def test_answer_is_read() -> None:
    session = negotiation()
    answer, accepted = session.apply_answer(answer_to(session.next_offer() or ""))
    assert (answer.ice_ufrag, answer.peer_is_dtls_client) == ("abcd", True)
    assert answer.fingerprints == (("sha-256", FINGERPRINT),)
    assert answer.media["v0"].rtx_of == {21: 22}
    assert answer.media["a0"].sends
    assert accepted == []


@pytest.mark.parametrize(
    "changes",
    [
        {"ufrag": ""},
        {"pwd": "a=ice-pwd:short"},
        {"setup": "a=setup:actpass"},
        {"setup": ""},
        {"fingerprint": ""},
        {"fingerprint": "a=fingerprint:sha-256 AB:CD"},
        {"fingerprint": "a=fingerprint:md5 AB:CD"},
        {"ufrag": "a=ice-ufrag:" + "x" * 300},
        {"extra": "a=" + "y" * 5000},
    ],
)
def test_wrong_answers_are_the_peers_fault_and_leave_the_offer_open(changes: dict[str, str]) -> None:
    session = negotiation()
    offer = session.next_offer() or ""
    with pytest.raises(PeerError):
        session.apply_answer(answer_to(offer, **changes))
    assert session.awaiting_answer
    session.apply_answer(answer_to(offer))


def test_answer_without_offer_and_wrong_shapes() -> None:
    session = negotiation()
    with pytest.raises(PeerError, match="no offer"):
        session.apply_answer("v=0")
    good = answer_to(session.next_offer() or "")
    wrong = [
        good.replace("m=video", "m=application"),
        good.replace("VP8/90000", "H264/90000"),
        good.replace("a=mid:v0", "a=mid:zz"),
        good.split("m=video")[0],
        good + good[good.index("m=video") :],
        good + "a=ssrc:99999999999 cname:x\r\n",
        good + "".join(f"a=ssrc:{number} cname:x\r\n" for number in range(100, 120)),
        good + "x" * MAX_SDP_BYTES,
        good.replace("v=0", "ñ=0"),
        "",
    ]
    for sdp in wrong:
        with pytest.raises(PeerError):
            session.apply_answer(sdp)
    session.apply_answer(good)


GOOD = answer_to(negotiation().next_offer() or "")
LINES = GOOD.split("\r\n")


@given(st.text(max_size=400))
@example("v=0\r\nm=")
@example("v=0\nm=audio 9 UDP/TLS/RTP/SAVPF \nm=video x y z")
def test_noise_raises_only_peer_error(text: str) -> None:
    with pytest.raises(PeerError):
        read_answer(text, [("a0", "audio"), ("v0", "video")])


@given(st.data())
def test_damaged_answers_raise_only_peer_error(data: st.DataObject) -> None:
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 5))):
        index = data.draw(st.integers(0, len(lines) - 1))
        action = data.draw(st.sampled_from(["drop", "repeat", "cut", "insert", "swap"]))
        if action == "drop" and len(lines) > 1:
            del lines[index]
        elif action == "repeat":
            lines.insert(index, lines[index])
        elif action == "cut":
            lines[index] = lines[index][: data.draw(st.integers(0, 12))]
        elif action == "insert":
            lines[index] += data.draw(st.text("0123456789 :;=/-ax", max_size=12))
        else:
            other = data.draw(st.integers(0, len(lines) - 1))
            lines[index], lines[other] = lines[other], lines[index]
    try:
        read_answer("\r\n".join(lines), [("a0", "audio"), ("v0", "video")])
    except PeerError:
        return


@pytest.mark.parametrize(
    "make",
    [
        lambda: AudioParameters(ptime_ms=33),
        lambda: AudioParameters(max_average_bitrate_bps=100),
        lambda: MediaConfig(advertised_addresses=()),
        lambda: MediaConfig(udp_port=70_000),
        lambda: MediaConfig(tcp_port=-1),
        lambda: MediaConfig(max_participants_per_room=1),
    ],
)
def test_impossible_settings_are_refused(make: object) -> None:
    with pytest.raises(ConfigError):
        make()  # type: ignore[operator]
