"""The process that makes sound, ``python -m gateway.speech.studio``: frames come in on stdin, notes go out on stdout.

espeak-ng is GPL-3.0: it is called here and nowhere else, in a program of its own that the gateway talks to through pipes and
that works only where the extra ``voice`` is installed. The process gets nothing of the gateway's: no settings, no network
that it uses, a limit on its memory, and it ends with its parent.
"""

import ctypes
import importlib
import importlib.util
import os
import resource
import signal
import sys
from collections.abc import Mapping
from typing import Any, Final

from gateway.speech.frames import Broken, packed, receive_blocking

#: Of addresses, not of pages: PyAV's libraries alone take a third of it.
MEMORY_BYTES_MAX: Final = 1536 * 1024 * 1024
FILES_MAX: Final = 64
NEEDED: Final = ("av", "espeakng_loader")


def main() -> int:
    """Serve until the other side hangs up."""
    _bounded(int(sys.argv[1]) if len(sys.argv) > 1 else os.getppid())
    asked, told = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Libraries that print would break the frames.
    os.dup2(2, 1)
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    told.write(packed({"ready": not missing, "missing": missing}))
    told.flush()
    if missing:
        return 0
    try:
        while (frame := receive_blocking(asked)) is not None:
            head, body = _answered(*frame)
            told.write(packed(head, body))
            told.flush()
    except (Broken, BrokenPipeError):
        return 1
    return 0


def _answered(head: Mapping[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    from gateway.speech import sound
    from gateway.speech.whole import is_whole

    seconds_max = float(head["seconds_max"])
    try:
        match head["do"]:
            case "speak":
                pcm = spoken(body.decode(), str(head["voice"]), seconds_max)
            case "read":
                kind = str(head["kind"])
                pcm = sound.decoded(body, kind, seconds_max)
                if not is_whole(body, kind):
                    return {"flaw": sound.Flaw.CUT_OFF.value}, b""
            case other:
                return {"flaw": f"nobody here can {other}"}, b""
        made, seconds = sound.note(pcm)
    except sound.Unfit as unfit:
        return {"flaw": unfit.flaw.value}, b""
    except MemoryError:
        return {"flaw": sound.Flaw.NOT_AUDIO.value}, b""
    return {"seconds": round(seconds, 3)}, made


# The one thing of espeak-ng's that we use, as its own header describes it (speak_lib.h, 1.52).
_SYNCHRONOUS: Final = 2
_DONT_EXIT: Final = 0x8000
_UTF8: Final = 1
_POSITION_CHARACTER: Final = 1
_RATE_PARAMETER: Final = 1
#: Words a minute: slower than its 175, for names and amounts that are heard once.
WORDS_A_MINUTE: Final = 155

_espeak: Any = None
_rate = 0


def spoken(text: str, voice: str, seconds_max: float) -> Any:
    """The samples of a text. Raises Unfit; stops speaking at ``seconds_max``."""
    from gateway.speech.sound import Flaw, Pcm, Unfit

    library, rate = _speaker()
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise ValueError("no such voice")
    library.espeak_SetParameter(_RATE_PARAMETER, WORDS_A_MINUTE, 0)
    pcm = bytearray()
    limit = int(seconds_max * rate) * 2

    def heard(samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            pcm.extend(ctypes.string_at(samples, count * 2))
        return int(len(pcm) > limit)

    callback = _CALLBACK(heard)
    library.espeak_SetSynthCallback(callback)
    raw = text.replace("\x00", " ").encode() + b"\x00"
    # Neither SSML nor phonemes are switched on: what a text says is spoken, not obeyed.
    library.espeak_Synth(raw, len(raw), 0, _POSITION_CHARACTER, 0, _UTF8, None, None)
    library.espeak_Synchronize()
    if len(pcm) > limit:
        raise Unfit(Flaw.TOO_LONG)
    return Pcm(rate, bytes(pcm))


_CALLBACK: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


def _speaker() -> tuple[Any, int]:
    global _espeak, _rate  # noqa: PLW0603 - the library itself has one state a process
    if _espeak is None:
        # The package has no types, and may not be there.
        espeakng_loader: Any = importlib.import_module("espeakng_loader")
        library = ctypes.CDLL(espeakng_loader.get_library_path())
        library.espeak_Synth.argtypes = [
            *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int),
            *(ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p),
        ]
        _rate = library.espeak_Initialize(_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), _DONT_EXIT)
        if _rate <= 0:
            raise OSError("espeak-ng does not start")
        _espeak = library
    return _espeak, _rate


def _bounded(parent: int) -> None:
    """Less memory than could hurt, no files, no core with somebody's words in it, and the parent's end is ours."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_MAX, FILES_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG, prctl(2)
        if os.getppid() != parent:
            os._exit(70)


if __name__ == "__main__":
    sys.exit(main())
