"""Stage encode: V turns every collected frame into a latent distribution, from which M will learn."""

from reverie.checkpoint import file_sha256
from reverie.data.latents import LatentStore, LatentWriter
from reverie.data.store import EpisodeStore
from reverie.envs.registry import spec_of
from reverie.metrics import Progress
from reverie.models.coding import encode as encode_frames
from reverie.models.files import load_vision
from reverie.run.folder import RunFolder, round_before
from reverie.training.stage_clock import StageClock


def encode(run: RunFolder, *, quiet: bool, device: str = "cpu") -> None:
    """Writes mu and logvar of every frame, episode by episode, or goes on where it was cut. Episodes of a round before
    keep theirs where V is the same."""
    config, clock = run.config, StageClock(run, "encode")
    store, vision = EpisodeStore(run.rollouts), load_vision(run.vision).to(device).eval()
    writer = LatentWriter(
        run.latents,
        num_observations=store.num_frames,
        num_episodes=len(store),
        z_size=config.vision.net.z_size,
        a_size=spec_of(config.env).actions.size,
        meta={"vision_sha256": file_sha256(run.vision), "episodes_sha256": store.digest()} | _rounds(store),
    )
    start, known = int(store.offsets()[writer.num_written]), _known(run)
    with writer, Progress("encode", store.num_frames, "frames", start=start, quiet=quiet) as bar:
        for index in range(writer.num_written, len(store)):
            episode = store[index]
            if known and index < len(known):
                mu, logvar = known.of_episode(index)
            else:
                mu, logvar = encode_frames(vision, episode.obs, batch=None, precision=config.agent.precision)
            writer.append(mu, logvar, episode)
            bar.advance(len(episode.obs))
    clock.done([run.latents / "meta.json"], {"frames": store.num_frames})


def _known(run: RunFolder) -> LatentStore | None:
    """The latents of the round before, where they are of the same V: they are those of the first episodes."""
    before = round_before(run)
    if not before:
        return None
    latents = LatentStore(before.latents)
    if latents.meta["vision_sha256"] != file_sha256(run.vision):
        return None
    latents.verify()
    return latents


def _rounds(store: EpisodeStore) -> dict[str, list[int]]:
    """Episodes of each round, where there is more than one."""
    return {"rounds": store.rounds} if len(store.rounds) > 1 else {}
