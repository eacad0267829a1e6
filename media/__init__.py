"""The media plane: forwards Opus and VP8, undecoded, among the two to six participants of a room.

``media.aio.server.MediaServer`` owns the UDP port and opens a ``MediaSession`` per connection;
``media.listener.SessionListener`` is how a session speaks to its owner. Everything outside ``aio`` is
pure: ``stun`` and ``ice`` decide about checks, ``sdp_offer``, ``sdp_answer`` and ``negotiation`` about
m-lines, ``uplink``, ``downlink`` and ``room`` about who gets what, ``control`` and ``rtcp`` about reports,
``forwarder`` is the path of each packet.

The server is always the offerer. A page answers ``a0`` and ``v0`` with its own microphone and camera;
every further pair of m-lines is another participant, named by the stream id (``msid``).
"""
