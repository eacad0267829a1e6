/** One media session with the server: an RTCPeerConnection, its offers and answers, and the streams that came through it. */
