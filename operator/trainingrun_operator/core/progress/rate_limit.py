"""How many of something there may be in a time, such as reports of a run, or retries."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class RateLimit:
    """A token bucket: bursts pass, floods don't."""

    burst: float = 10.0
    per_second: float = 1.0
    tokens: float = 10.0
    at_s: float = 0.0

    def take(self, now_s: float) -> tuple[RateLimit, bool]:
        """The bucket after an attempt to take one, and whether there was one."""
        bucket = self._refilled(now_s)
        taken = bucket.tokens >= 1.0
        return (replace(bucket, tokens=bucket.tokens - 1.0) if taken else bucket), taken

    def reserve(self, now_s: float) -> tuple[RateLimit, float]:
        """The bucket after one was taken, in advance if there was none, and in how many seconds it may be used."""
        bucket = self._refilled(now_s)
        bucket = replace(bucket, tokens=bucket.tokens - 1.0)
        return bucket, max(0.0, -bucket.tokens / bucket.per_second)

    def given_back(self) -> RateLimit:
        """The bucket after one that was taken is no longer counted."""
        return replace(self, tokens=self.tokens + 1.0)

    def _refilled(self, now_s: float) -> RateLimit:
        tokens = min(self.burst, self.tokens + max(0.0, now_s - self.at_s) * self.per_second)
        return replace(self, tokens=tokens, at_s=now_s)
