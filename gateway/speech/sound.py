"""Makes one voice note out of any sound: mono OGG/Opus at 16 kHz, as loud as every other, no longer than allowed.

Runs in the process of ``studio`` only: PyAV is heavy, and what it reads was made by strangers. Loudness follows EBU R 128
(integrated, gated, by FFmpeg's ``ebur128``): measured once, then one gain over the whole note, so that nothing pumps.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final

import av
from av.audio.frame import AudioFrame
from av.filter import Graph

#: What Opus calls wide band, and all that a telephone and a voice note of WhatsApp's have.
RATE: Final = 16_000
BIT_RATE: Final = 24_000
#: How hard the encoder thinks, of 10: what telephones' own calls are made at, for two thirds of the processor time of the most.
COMPLEXITY: Final = "5"
#: Integrated loudness in LUFS and the highest peak in dBFS: what podcasts in mono are made at.
LOUDNESS: Final = -19.0
PEAK: Final = -1.5
#: Noise is not made louder than this, in dB.
GAIN_MAX: Final = 30.0
SECONDS_MIN: Final = 0.2
CHANNELS_MAX: Final = 8
RATE_MAX: Final = 192_000

#: What a file may be, by the demuxer that reads it and the codecs that may be inside. Nothing else is ever opened.
FORMATS: Final[dict[str, tuple[str, frozenset[str]]]] = {
    "audio/ogg": ("ogg", frozenset({"opus", "vorbis", "flac", "speex"})),
    "audio/mpeg": ("mp3", frozenset({"mp3", "mp3float", "mp2", "mp1"})),
    "audio/wav": ("wav", frozenset({"pcm_s16le", "pcm_u8", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_alaw", "pcm_mulaw"})),
}  # fmt: skip


class Flaw(StrEnum):
    """Why a sound is no note."""

    NOT_AUDIO = "not_audio"
    CUT_OFF = "cut_off"
    TOO_LONG = "too_long"
    TOO_SHORT = "too_short"
    SILENT = "silent"


class Unfit(Exception):
    """The sound is no note."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.value)
        self.flaw = flaw


@dataclass(frozen=True, slots=True)
class Pcm:
    """Samples of 16 bits, mono."""

    rate: int
    samples: bytes


def decoded(audio: bytes, kind: str, seconds_max: float) -> Pcm:
    """The samples of a file of a known kind. Raises Unfit; never decodes more than ``seconds_max``."""
    demuxer, codecs = FORMATS[kind]
    pcm = bytearray()
    limit = int(seconds_max * RATE) * 2
    try:
        with av.open(io.BytesIO(audio), "r", format=demuxer, metadata_errors="replace") as container:
            stream = next((s for s in container.streams if s.type == "audio"), None)
            if stream is None or stream.codec_context.name.removesuffix("_fixed") not in codecs | {"libopus"}:
                raise Unfit(Flaw.NOT_AUDIO)
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
            for frame in container.decode(stream):
                assert isinstance(frame, AudioFrame)
                if len(frame.layout.channels) > CHANNELS_MAX or frame.sample_rate > RATE_MAX:
                    raise Unfit(Flaw.NOT_AUDIO)
                for even in resampler.resample(frame):
                    pcm += _bytes(even)
                if len(pcm) > limit:
                    raise Unfit(Flaw.TOO_LONG)
            for even in resampler.resample(None):
                pcm += _bytes(even)
    except av.FFmpegError as error:
        raise Unfit(Flaw.CUT_OFF if pcm else Flaw.NOT_AUDIO) from error
    except (ValueError, MemoryError, OverflowError) as error:
        raise Unfit(Flaw.NOT_AUDIO) from error
    if len(pcm) > limit:
        raise Unfit(Flaw.TOO_LONG)
    return Pcm(RATE, bytes(pcm))


def note(pcm: Pcm) -> tuple[bytes, float]:
    """The note and its seconds. Raises Unfit for silence and for what is too short to be heard."""
    seconds = len(pcm.samples) / 2 / pcm.rate
    if seconds < SECONDS_MIN:
        raise Unfit(Flaw.TOO_SHORT)
    loudness = measured(pcm)
    if loudness is None:
        raise Unfit(Flaw.SILENT)
    gain = min(LOUDNESS - loudness, GAIN_MAX)
    graph = _graph(
        pcm.rate,
        ("volume", f"{gain:.2f}dB"),
        ("aresample", str(RATE)),
        # Level off: a limiter that makes quiet what is loud, not one that makes everything loud.
        ("alimiter", f"limit={10 ** (PEAK / 20):.4f}:level=0:attack=5:release=50"),
        ("aformat", f"sample_fmts=s16:sample_rates={RATE}:channel_layouts=mono"),
    )
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=RATE)
        stream.layout = "mono"
        stream.bit_rate = BIT_RATE
        stream.options = {"application": "voip", "frame_duration": "20", "compression_level": COMPLEXITY}
        at = 0
        for frame in _filtered(graph, pcm):
            frame.pts, frame.time_base = at, Fraction(1, RATE)
            at += frame.samples
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue(), seconds


def measured(pcm: Pcm) -> float | None:
    """Integrated loudness in LUFS (EBU R 128), None for silence."""
    graph = _graph(pcm.rate, ("ebur128", "metadata=1"))
    loudness: float | None = None
    # The gate looks at windows of 400 ms: what is shorter is heard twice or more, which changes no mean.
    shortest = pcm.rate * 2
    samples = pcm.samples * max(1, -(-shortest // max(len(pcm.samples), 1)))
    for frame in _filtered(graph, Pcm(pcm.rate, samples)):
        told: dict[str, Any] = frame.metadata
        if "lavfi.r128.I" in told:
            loudness = float(told["lavfi.r128.I"])
    return loudness if loudness is not None and loudness > -69.0 else None


def _graph(rate: int, *filters: tuple[str, str]) -> Graph:
    graph = Graph()
    made = [graph.add_abuffer(sample_rate=rate, format="s16", layout="mono")]
    made += [graph.add(name, arguments) for name, arguments in filters]
    made.append(graph.add("abuffersink"))
    graph.link_nodes(*made).configure()
    return graph


def _filtered(graph: Graph, pcm: Pcm) -> Iterator[AudioFrame]:
    for frame in [*_frames(pcm), None]:
        graph.push(frame)
        while True:
            try:
                pulled = graph.pull()
            except (av.BlockingIOError, av.EOFError):
                break
            assert isinstance(pulled, AudioFrame)
            yield pulled


def _frames(pcm: Pcm) -> Iterator[AudioFrame]:
    step = 2 * pcm.rate // 10
    for start in range(0, len(pcm.samples), step):
        part = pcm.samples[start : start + step]
        frame = AudioFrame(format="s16", layout="mono", samples=len(part) // 2)
        frame.sample_rate = pcm.rate
        frame.pts = start // 2
        frame.planes[0].update(part)
        yield frame


def _bytes(frame: AudioFrame) -> bytes:
    # A plane is padded at its end.
    return bytes(frame.planes[0])[: frame.samples * 2]
