"""How many reports a run may send."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class RateLimit:
    """A token bucket for one run: bursts pass, floods don't."""

    burst: float = 10.0
    per_second: float = 1.0
    tokens: float = 10.0
    at_s: float = 0.0

    def take(self, now_s: float) -> tuple[RateLimit, bool]:
        """The bucket after an attempt to take one, and whether there was one."""
        tokens = min(self.burst, self.tokens + max(0.0, now_s - self.at_s) * self.per_second)
        taken = tokens >= 1.0
        return replace(self, tokens=tokens - 1.0 if taken else tokens, at_s=now_s), taken
