"""What schemathesis sends as a recording: ones that are, ones that are cut or bent, and whatever comes to its mind."""

import schemathesis
from hypothesis import strategies as st

from tests.journeys.recording import RECORDING

MEDIA_TYPES = ("audio/ogg", "audio/mpeg", "audio/wav")
BYTES_MAX = 4_096


@schemathesis.serializer(*MEDIA_TYPES)
def sent(_context: object, value: object) -> bytes:
    """As it is; what is no recording at all goes out as its text."""
    return value if isinstance(value, bytes) else str(value).encode()


for media_type in MEDIA_TYPES:
    schemathesis.openapi.media_type(
        media_type,
        st.one_of(
            st.just(RECORDING),
            st.binary(max_size=BYTES_MAX),
            st.integers(0, len(RECORDING)).map(lambda cut: RECORDING[:cut]),
            st.sampled_from([b"OggS", b"ID3", b"RIFF"]).flatmap(
                lambda head: st.binary(max_size=BYTES_MAX).map(head.__add__)
            ),
        ),
    )
