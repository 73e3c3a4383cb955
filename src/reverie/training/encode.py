"""Stage encode: V turns every collected frame into a latent distribution, from which M will learn."""

import shutil
from dataclasses import replace
from pathlib import Path

from reverie.checkpoint import file_sha256
from reverie.data.episode import Episode
from reverie.data.latents import MIRRORED, LatentStore, LatentWriter
from reverie.data.store import EpisodeStore
from reverie.envs.registry import spec_of
from reverie.envs.spec import Mirror
from reverie.errors import UserError
from reverie.models.coding import encode as encode_frames
from reverie.models.files import load_vision
from reverie.models.vision import Vision
from reverie.progress import Progress
from reverie.run.folder import RunFolder, round_before
from reverie.training.stage_clock import StageClock


def encode(run: RunFolder, *, quiet: bool) -> None:
    """Writes mu and logvar of every frame, episode by episode, or goes on where it was cut; with `memory.mirror` those
    of the frames in a mirror, too. Episodes of a round before keep theirs where V is the same."""
    clock, store = StageClock(run, "encode"), EpisodeStore(run.rollouts)
    vision = load_vision(run.vision, run.device).eval()
    mirror = _mirror(run)
    sides: list[tuple[Path, Mirror | None]] = [(run.latents, None)]
    if mirror:
        sides.append((run.latents / MIRRORED, mirror))
    else:
        shutil.rmtree(run.latents / MIRRORED, ignore_errors=True)
    known = _known(run)
    for folder, side in sides:
        before = known.mirrored if known and side else known
        _encode(run, vision, store, folder, side, before, quiet=quiet)
    clock.done([folder / "meta.json" for folder, _ in sides], {"frames": store.num_frames})


def _mirror(run: RunFolder) -> Mirror | None:
    """How actions read in a mirror, where M is to learn from what it shows."""
    if not run.config.memory.mirror:
        return None
    if (mirror := spec_of(run.config.env).mirror) is None:
        raise UserError(
            f"memory.mirror: nobody knows what the actions of {run.config.env.id!r} are in a mirror: set it to false"
        )
    return mirror


def _encode(
    run: RunFolder,
    vision: Vision,
    store: EpisodeStore,
    folder: Path,
    mirror: Mirror | None,
    known: LatentStore | None,
    *,
    quiet: bool,
) -> None:
    """Writes the latents of all episodes into `folder`, in a mirror where one is given; those of the first episodes
    may be known."""
    config = run.config
    writer = LatentWriter(
        folder,
        num_observations=store.num_frames,
        num_episodes=len(store),
        z_size=config.vision.net.z_size,
        a_size=spec_of(config.env).actions.size,
        meta={"vision_sha256": file_sha256(run.vision), "episodes_sha256": store.digest()} | _rounds(store),
    )
    start = int(store.offsets()[writer.num_written])
    name = "encode.mirrored" if mirror else "encode"
    with writer, Progress(name, store.num_frames, "frames", start=start, quiet=quiet) as bar:
        for index in range(writer.num_written, len(store)):
            episode = _seen_in(mirror, store[index])
            if known and index < len(known):
                mu, logvar = known.of_episode(index)
            else:
                mu, logvar = encode_frames(vision, episode.obs, batch=None, precision=config.agent.precision)
            writer.append(mu, logvar, episode)
            bar.advance(len(episode.obs))


def _seen_in(mirror: Mirror | None, episode: Episode) -> Episode:
    """An episode as a mirror shows it, or as it is without one."""
    if mirror is None:
        return episode
    return replace(episode, obs=episode.obs[:, :, ::-1].copy(), act=mirror.of(episode.act))


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
