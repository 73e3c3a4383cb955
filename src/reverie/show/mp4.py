"""Pictures to a video.

Shapes: h w height and width in pixels, both even; every picture is (h, w, 3) uint8.
"""

import functools
import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from reverie import environment
from reverie.types import Frames
from reverie.writing import write_atomically

if TYPE_CHECKING:
    from av import VideoStream


def write_mp4(path: Path, pictures: Iterable[Frames], fps: Fraction, quality: int = 20) -> None:
    """Writes the pictures as they come, atomically: a part of a video is never left behind.

    `quality` is libx264's constant rate factor: lower is better and larger.
    """
    av = import_av()
    stream: VideoStream | None = None
    with write_atomically(path) as file, av.open(file, "w", format="mp4") as container:
        for picture in pictures:
            height, width, _ = picture.shape
            stream = stream or _open_stream(container, height, width, fps, quality)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        assert stream is not None, "a video needs a picture"
        container.mux(stream.encode(None))


def _open_stream(container: Any, height: int, width: int, fps: Fraction, quality: int) -> "VideoStream":
    """h264 where this build of the library has it, for it is smaller and browsers play it; else MPEG-4."""
    av = import_av()
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    stream = cast("VideoStream", container.add_stream(codec, rate=fps))
    stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
    if codec == "libx264":
        stream.options = {"crf": str(quality), "preset": "veryfast"}
    else:
        stream.bit_rate = 4_000_000
    return stream


@functools.cache
def import_av() -> ModuleType:
    """PyAV. Its GnuTLS, which we need for nothing, reads its settings where it was built, in /tmp: whoever made a pipe
    there kept all users of a machine waiting."""
    with environment.variable("GNUTLS_SYSTEM_PRIORITY_FILE", os.devnull):
        import av
    return av
