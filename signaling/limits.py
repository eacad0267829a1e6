"""How much one connection may say."""


class TokenBucket:
    """Refills at ``rate`` tokens per second up to ``burst``."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, now

    def take(self, tokens: float, now: float) -> float:
        """0 when they were there and are taken; otherwise nothing is taken: seconds until they would be there."""
        elapsed_s = max(0.0, now - self._at)  # a clock set back refills nothing
        self._tokens, self._at = min(self._burst, self._tokens + elapsed_s * self._rate), now
        if self._tokens >= tokens:
            self._tokens -= tokens
            return 0.0
        return (tokens - self._tokens) / self._rate
