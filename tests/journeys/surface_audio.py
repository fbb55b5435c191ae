"""What schemathesis sends as a recording or a register: ones that are, ones that are cut or bent, and whatever comes to its mind."""

import schemathesis
from hypothesis import strategies as st

from tests.journeys.recording import RECORDING

CSV = "text/csv"
REGISTER = b"number\n" + b"".join(b"+5732%08d\n" % n for n in range(20))
MEDIA_TYPES = ("audio/ogg", "audio/mpeg", "audio/wav")
BYTES_MAX = 4_096


@schemathesis.serializer(*MEDIA_TYPES, CSV)
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

schemathesis.openapi.media_type(
    CSV,
    st.one_of(
        st.just(REGISTER),
        st.binary(max_size=BYTES_MAX),
        st.integers(0, len(REGISTER)).map(lambda cut: REGISTER[:cut]),
        st.binary(max_size=64).map(REGISTER.__add__),
    ),
)
