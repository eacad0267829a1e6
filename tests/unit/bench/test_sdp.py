from bench import sdp

LOCAL = sdp.LocalTransport("uuuu", "p" * 24, "sha-256 AA:BB", ("127.0.0.1", 5004))
OFFER = "\r\n".join(
    [
        "v=0",
        "a=ice-lite",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:secret",
        "a=fingerprint:sha-256 01:02",
        "a=setup:actpass",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "a=mid:a0",
        "a=recvonly",
        "a=candidate:1 1 udp 1 192.0.2.7 4000 typ host",
        "a=candidate:2 1 udp 1 2001:db8::1 4000 typ host",
        "a=rtpmap:111 opus/48000/2",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=extmap:9 urn:example:unknown",
        "m=video 9 UDP/TLS/RTP/SAVPF 98 96 97",
        "a=mid:1",
        "a=sendonly",
        "a=rtpmap:98 VP9/90000",
        "a=rtpmap:96 VP8/90000",
        "a=rtcp-fb:96 nack pli",
        "a=rtpmap:97 rtx/90000",
        "a=fmtp:97 apt=96",
        "a=ssrc-group:FID 10 11",
        "",
    ]
)


def test_an_offer_is_read() -> None:
    offer = sdp.parse(OFFER)
    assert (offer.ufrag, offer.password, offer.setup) == ("abcd", "secret", "actpass")
    assert offer.candidates == [("192.0.2.7", 4000)]
    assert [(s.mid, s.direction) for s in offer.sections] == [("a0", "recvonly"), ("1", "sendonly")]
    assert sdp.chosen_codecs(offer.sections[1]) == (96, 97)
    assert offer.sections[1].rtx_of == {11: 10}


def test_an_answer_turns_directions_and_keeps_what_was_offered() -> None:
    answer = sdp.parse(sdp.answer(sdp.parse(OFFER), LOCAL, {"a0": sdp.Source("me", 42)}))
    audio, video = answer.sections
    assert (audio.direction, video.direction) == ("sendonly", "recvonly")
    assert audio.extensions == {sdp.MID: 1}
    assert video.payload_types == [96, 97]
    assert video.feedback == {96: ["nack pli"]}
    assert (answer.ufrag, answer.setup, answer.candidates[0]) == ("uuuu", "active", ("127.0.0.1", 5004))


def test_sources_are_announced_only_where_the_peer_sends() -> None:
    text = sdp.answer(sdp.parse(OFFER), LOCAL, {"a0": sdp.Source("me", 42), "1": sdp.Source("me", 43)})
    assert "a=ssrc:42 cname:me" in text
    assert "a=ssrc:43" not in text
