"""Stage encode: V turns every collected frame into a latent distribution, from which M will learn."""

from reverie.checkpoint import file_sha256
from reverie.data.latents import LatentWriter
from reverie.data.store import EpisodeStore
from reverie.envs.registry import spec_of
from reverie.metrics import Progress
from reverie.models.coding import encode as encode_frames
from reverie.models.files import load_vision
from reverie.run.folder import RunFolder
from reverie.training.stage_clock import StageClock
from reverie.training.vision import open_frames


def encode(run: RunFolder, *, quiet: bool, device: str = "cpu") -> None:
    """Writes mu and logvar of every frame, episode by episode, or goes on where it was cut."""
    config, clock = run.config, StageClock(run, "encode")
    store, vision = EpisodeStore(run.rollouts), load_vision(run.vision).to(device).eval()
    writer = LatentWriter(
        run.latents,
        num_observations=store.num_frames,
        num_episodes=len(store),
        z_size=config.vision.net.z_size,
        a_size=spec_of(config.env).actions.size,
        meta={"vision_sha256": file_sha256(run.vision), "episodes_sha256": store.digest()},
    )
    cache = open_frames(run, store, quiet=quiet)
    frames, offsets = cache.frames, cache.offsets
    start = int(offsets[writer.num_written])
    with writer, Progress("encode", store.num_frames, "frames", start=start, quiet=quiet) as bar:
        for index in range(writer.num_written, len(store)):
            some = frames[offsets[index] : offsets[index + 1]]
            mu, logvar = encode_frames(vision, some, batch=None, precision=config.agent.precision)
            writer.append(mu, logvar, store[index])
            bar.advance(len(some))
    clock.done([run.latents / "meta.json"], {"frames": store.num_frames})
