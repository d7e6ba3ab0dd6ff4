"""Formats a time span for people. Pure."""


def duration(seconds: float) -> str:
    """`42 s`, `7 min` or `1 h 05 min`, rounded to the last unit shown."""
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
