"""How much a participant's line bears, in each direction: pure estimators, no clock, no I/O.

Every rate is in bits per second on the wire (IPv4 and UDP headers included); every time is seconds of one
monotonic clock, given by the caller.
"""
