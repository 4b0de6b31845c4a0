"""Times of a record as people read them."""


def clock(seconds: float) -> str:
    """Return whole seconds as m:ss, or h:mm:ss from one hour on."""
    total = int(seconds)
    hours, minutes, rest = total // 3600, total // 60 % 60, total % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def record_time(sample: int, fs: float) -> str:
    """Return the time in its record of a sample as m:ss.mmm; minutes may exceed 59."""
    milliseconds = round(sample / fs * 1000.0)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes}:{rest // 1000:02}.{rest % 1000:03}"
