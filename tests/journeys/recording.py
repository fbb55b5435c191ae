"""A recording that is taken for a voice note."""

import io
import math
import struct
import wave


def recorded(seconds: float, loud: float = 9_000) -> bytes:
    """A sound that swells."""
    rate, frames = 8_000, int(8_000 * seconds)
    kept = io.BytesIO()
    with wave.open(kept, "wb") as writer:
        writer.setparams((1, 2, rate, 0, "NONE", ""))
        heard = (loud * abs(math.sin(at / 2_000)) * math.sin(at / 5) for at in range(frames))
        writer.writeframes(struct.pack(f"<{frames}h", *map(int, heard)))
    return kept.getvalue()


RECORDING = recorded(2)
