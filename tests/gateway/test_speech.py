"""The process that makes sound: what it says, what it does when it is killed, starved, lied to or left alone."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import av
import pytest

from gateway.media.recordings import sniffed
from gateway.speech import sound
from gateway.speech.booth import Booth, Made, Unavailable, Unfit, voice_for
from gateway.speech.whole import is_whole

WORDS = {
    "es-419": "Hola, le recordamos que su cuota está lista para pagar.",
    "en-us": "Hello, we remind you that your payment is ready.",
    "pt-br": "Olá, lembramos que a sua parcela está pronta para pagamento.",
}
LOUDNESS_TOLERANCE = 1.5


@pytest.fixture
async def booth() -> AsyncIterator[Booth]:
    made = Booth()
    yield made
    await made.close()


def process_of(booth: Booth) -> int:
    assert booth._process is not None
    return booth._process.pid


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def until_gone(pid: int) -> None:
    for _ in range(200):
        if not alive(pid):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it is still there")


async def test_three_voices_say_different_things_equally_loud(booth: Booth) -> None:
    notes = {voice: await booth.speak(words, voice) for voice, words in WORDS.items()}
    assert len({note.audio for note in notes.values()}) == 3
    for voice, note in notes.items():
        with av.open(io.BytesIO(note.audio), "r", format="ogg") as container:
            (stream,) = container.streams.audio
            seconds = sum(frame.samples for frame in container.decode(stream)) / 48_000
        assert seconds == pytest.approx(note.seconds, abs=0.1), voice
        assert 1.5 < seconds < 8
        loudness = sound.measured(sound.decoded(note.audio, "audio/ogg", 60))
        assert loudness == pytest.approx(sound.LOUDNESS, abs=LOUDNESS_TOLERANCE), voice


@pytest.mark.parametrize(
    ("locale", "voice"),
    [("es-CO", "es-419"), ("pt-BR", "pt-br"), ("en", "en-us"), ("fr", "es-419"), (None, "es-419"), ("", "es-419"), ("PT", "pt-br")],
)  # fmt: skip
def test_the_voice_is_chosen_by_her_language(locale: str | None, voice: str) -> None:
    assert voice_for(locale) == voice


@pytest.mark.parametrize(
    "text", ["<speak><break time='60s'/>hola</speak>", "[[a:a:a:]] hola", "a\x00b hola", "😀 hola", "-- --help"]
)
async def test_what_a_text_says_is_spoken_and_not_obeyed(booth: Booth, text: str) -> None:
    assert (await booth.speak(text, "es-419")).seconds < 15


async def test_words_without_end_are_given_up_early(booth: Booth) -> None:
    began = time.monotonic()
    with pytest.raises(Unfit) as unfit:
        await booth.speak("palabra " * 50_000, "es-419", seconds_max=5.0)
    assert unfit.value.flaw == "too_long"
    assert time.monotonic() - began < 5


async def test_killed_in_the_middle_it_is_said_so_and_made_anew(booth: Booth) -> None:
    await booth.speak("hola", "es-419")
    first = process_of(booth)
    os.kill(first, signal.SIGSTOP)
    speaking = asyncio.create_task(booth.speak("hola otra vez", "es-419"))
    await asyncio.sleep(0.05)
    os.kill(first, signal.SIGKILL)
    with pytest.raises(Unavailable):
        await speaking
    assert (await booth.speak("hola otra vez", "es-419")).seconds > 0.3
    assert process_of(booth) != first


async def test_what_takes_too_long_is_killed() -> None:
    booth = Booth(make_seconds=0.5)
    await booth.speak("hola", "es-419")
    first = process_of(booth)
    os.kill(first, signal.SIGSTOP)
    with pytest.raises(Unavailable):
        await booth.speak("hola", "es-419")
    await until_gone(first)
    assert (await booth.speak("hola", "es-419")).seconds > 0.2
    await booth.close()


async def test_a_caller_that_gives_up_leaves_no_answer_for_the_next(booth: Booth) -> None:
    await booth.speak("hola", "es-419")
    os.kill(process_of(booth), signal.SIGSTOP)
    speaking = asyncio.create_task(booth.speak("una cosa", "es-419"))
    await asyncio.sleep(0.05)
    speaking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await speaking
    note = await booth.speak(WORDS["en-us"], "en-us")
    assert note.seconds > 1.5


async def test_many_at_once_get_each_their_own(booth: Booth) -> None:
    texts = ["uno " * count for count in range(1, 9)]
    made = await asyncio.gather(*(booth.speak(text, "es-419") for text in texts))
    seconds = [note.seconds for note in made]
    assert seconds == sorted(seconds)
    assert len(set(seconds)) == len(seconds)


async def test_it_is_let_go_when_nobody_asks_and_comes_back() -> None:
    booth = Booth(idle_seconds=0.1)
    await booth.speak("hola", "es-419")
    first = process_of(booth)
    await until_gone(first)
    assert (await booth.speak("hola", "es-419")).seconds > 0.2
    await booth.close()
    with pytest.raises(Unavailable):
        await booth.speak("hola", "es-419")


async def test_who_asks_right_after_it_was_let_go_is_served_by_another(booth: Booth) -> None:
    await booth.speak("hola", "es-419")
    first = process_of(booth)
    booth._let_go()
    assert alive(first), "it has not noticed yet"
    assert (await booth.speak("hola", "es-419")).seconds > 0.2
    assert process_of(booth) != first
    assert not alive(first)


async def test_it_has_little_memory_no_settings_and_none_of_our_files(booth: Booth) -> None:
    os.environ["TREGUA_SECRET_KEY"] = "not for other programs"
    try:
        await booth.speak("hola", "es-419")
    finally:
        del os.environ["TREGUA_SECRET_KEY"]
    pid = process_of(booth)
    assert b"TREGUA" not in Path(f"/proc/{pid}/environ").read_bytes()
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert "Max core file size        0 " in limits
    assert "unlimited" not in next(line for line in limits.splitlines() if line.startswith("Max address space"))
    resident = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    assert int(resident.split()[1]) < 150_000
    assert "av" not in {name.partition(".")[0] for name in _imported_by("gateway.compose")}
    assert "espeakng_loader" not in _imported_by("gateway.compose")


def _imported_by(module: str) -> set[str]:
    """What a process that imports a module has loaded."""
    script = f"import {module}, sys; print(' '.join(sys.modules))"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


def test_it_ends_with_whoever_started_it() -> None:
    script = (
        "import asyncio, sys\n"
        "from gateway.speech.booth import Booth\n"
        "async def main():\n"
        "    booth = Booth()\n"
        "    await booth.speak('hola', 'es-419')\n"
        "    print(booth._process.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
        parent.wait()
    asyncio.run(until_gone(pid))


async def test_every_cut_of_a_file_is_refused_or_not_audio(booth: Booth) -> None:
    note = (await booth.speak(WORDS["es-419"], "es-419")).audio
    step = max(1, len(note) // 15)
    for length in range(0, len(note) - 1, step):
        with pytest.raises(Unfit) as unfit:
            await booth.read(note[:length], "audio/ogg")
        assert unfit.value.flaw in ("cut_off", "not_audio"), length


async def test_bytes_turned_over_never_break_the_process(booth: Booth) -> None:
    """Thirty files with one wrong byte: each is a note or is said to be none, by the process that was there first."""
    note = (await booth.speak(WORDS["en-us"], "en-us")).audio
    first = process_of(booth)
    for index in range(0, len(note), len(note) // 30):
        spoilt = bytearray(note)
        spoilt[index] ^= 0xFF
        try:
            assert isinstance(await booth.read(bytes(spoilt), "audio/ogg"), Made)
        except Unfit:
            continue
    assert process_of(booth) == first


SNIFFED = [
    (b"OggS\x00\x02", "audio/ogg"),
    (b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/wav"),
    (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
    (b"ID3\x04\x00", "audio/mpeg"),
    (b"\xff\xfb\x90\x00\x00", "audio/mpeg"),
    (b"\xff\xff\xff\xff\xff", "application/octet-stream"),
    (b"\xff\xf1\x50\x80\x00", "application/octet-stream"),
    (b"\x00\x00\x00\x20ftypM4A ", "audio/mp4"),
    (b"\x00\x00\x00\x20ftypisom", "video/mp4"),
    (b"%PDF-1.7", "application/pdf"),
    (b"<svg onload=alert(1)>", "application/octet-stream"),
    (b"MZ\x90", "application/octet-stream"),
    (b"", "application/octet-stream"),
]


@pytest.mark.parametrize(("head", "kind"), SNIFFED, ids=[f"{kind} {index}" for index, (_, kind) in enumerate(SNIFFED)])
def test_what_it_is_stands_in_its_first_bytes(head: bytes, kind: str) -> None:
    assert sniffed(head) == kind


def encoded(codec: str, form: str) -> bytes:
    """Three seconds of a tone, encoded as others do."""
    import array
    import math

    file = io.BytesIO()
    with av.open(file, "w", format=form) as container:
        stream = container.add_stream(codec, rate=44_100)
        stream.layout = "stereo"
        for start in range(0, 44_100 * 3, 1152):
            samples = array.array(
                "h", [int(9000 * math.sin((start + at) / 20)) for at in range(1152) for _ in range(2)]
            )
            frame = av.AudioFrame(format="s16", layout="stereo", samples=1152)
            frame.planes[0].update(samples.tobytes())
            frame.sample_rate, frame.pts = 44_100, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(
    ("codec", "form", "kind"),
    [("libmp3lame", "mp3", "audio/mpeg"), ("flac", "ogg", "audio/ogg"), ("pcm_s16le", "wav", "audio/wav")],
)
async def test_what_others_encode_is_read(booth: Booth, codec: str, form: str, kind: str) -> None:
    file = encoded(codec, form)
    assert sniffed(file) == kind
    assert is_whole(file, kind)
    assert (await booth.read(file, kind)).seconds == pytest.approx(3.0, abs=0.15)
    with pytest.raises(Unfit) as unfit:
        await booth.read(file[: len(file) // 2], kind)
    assert unfit.value.flaw == "cut_off"
    with pytest.raises(Unfit) as unfit:
        await booth.read(file, kind, seconds_max=2.0)
    assert unfit.value.flaw == "too_long"
