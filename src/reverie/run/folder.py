"""A run is a folder: recipe, manifest, data, models, logs. How it is made and gone on with, and what it came from."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from reverie import writing
from reverie.devices import Decided, chosen_device
from reverie.errors import UserError
from reverie.models.files import SHIPPED, agent_folder, packaged
from reverie.run import settings
from reverie.run.chain import as_round
from reverie.run.given import as_given, given
from reverie.run.lock import is_lock, locked
from reverie.run.manifest import NAME, RECIPE, cure_of_version, new_manifest, read_manifest
from reverie.run.paths import require_own_place
from reverie.run.recipe import RunConfig
from reverie.run.stages import EXTENDABLE, LENGTHS, REMADE, STAGES, WORDS, stage_of
from reverie.run.status import FORGOTTEN, RunStatus
from reverie.run.world import check_same_world, require_world
from reverie.types import Device


class RunFolder(RunStatus):
    """An opened run folder: how it is made, found again, and given settings."""

    def __init__(self, path: Path, config: RunConfig, manifest: dict[str, Any]) -> None:
        self.path = path
        self.manifest = manifest
        self.config = config
        self._overrides: list[str] = []
        """Settings that the recipe in the folder is to be given."""

    @property
    def config(self) -> RunConfig:
        """What the recipe says for this run, in a later round with the budgets of one, and with every precision that it
        leaves to the machine as it was decided when the run was made: who continues it on another machine goes on
        alike."""
        return as_round(self.recipe)

    @config.setter
    def config(self, config: RunConfig) -> None:
        precision = self.manifest.get("precision", "auto")

        def decided(part: Any) -> Any:
            return replace(part, precision=precision) if part.precision == "auto" else part

        vision = replace(config.vision, fit=decided(config.vision.fit))
        memory = replace(config.memory, fit=decided(config.memory.fit))
        controller = replace(config.controller, dream=decided(config.controller.dream))
        self.recipe = replace(config, agent=decided(config.agent), vision=vision, memory=memory, controller=controller)
        """The same for all rounds: what those before this one follow from, too."""

    @property
    def device(self) -> torch.device:
        """Where what is made of this run is computed. Raises UserError where this machine has none like it."""
        return chosen_device(self.recipe.device)

    @property
    def forerunner(self) -> Path | None:
        """The run that is trained first, for its agent to take part in collecting: a scout, or the round before."""
        if self.recipe.collect.scout:
            return self.scout
        rounds = self.recipe.rounds.num
        return self.rounds / str(rounds - 2) if rounds > 1 else None

    @property
    def successor(self) -> Path | None:
        """Of a round, the run that goes on from it, once that has begun to collect."""
        if not self.is_earlier_round:
            return None
        after = self.rounds / str(self.recipe.rounds.num)
        if (after / RECIPE).is_file():
            return after
        last = self.rounds.parent
        is_last_but_one = settings.load(str(last / RECIPE)).rounds.num == self.recipe.rounds.num + 1
        return last if is_last_but_one and "collect" in read_manifest(last)["stages"] else None

    @classmethod
    def create(cls, path: Path, config: RunConfig, precision: Decided | None = None, **known: Any) -> "RunFolder":
        """A new folder with recipe and manifest; `precision` is what `auto` means to it, if not what is fast on this
        machine, and `known` what its manifest says from the beginning. Raises UserError if something else is there."""
        if path.is_file() or (path.is_dir() and not all(map(_is_left_by_create, path.iterdir()))):
            raise UserError(f"{path} exists and is not a run of reverie: choose another --run", usage=True)
        chosen_device(config.device)
        require_world(config)  # an environment that cannot be made is refused before anything is written,
        settings.check_scouts(config)  # and so is an agent that cannot drive in it
        if not config.has_forerunner:
            collecting_agent(cls(path, config, {}))
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot make {path}: {error.strerror}; choose another --run") from error
        with locked(path):
            if (path / RECIPE).exists():
                raise UserError(f"{path} was made by another process just now: run the same command again")
            run = cls(path, config, new_manifest(config, precision) | known)
            run.save_recipe(config)  # the recipe comes last: what a kill leaves before it is not taken for a run
        return run

    @classmethod
    def open(cls, name: str | Path, device: Device | None = None) -> "RunFolder":
        """An existing run by its path, an agent that was packed by that of its archive, or one in the package by its
        name; to be computed on `device`, if not where its recipe says. Raises UserError if there is none."""
        path = agent_folder(name)
        if not (path / RECIPE).is_file():
            raise UserError(f"there is no run in {path}: give the folder of a run, or make one with `reverie train`")
        try:
            config = settings.load(str(path / RECIPE))
        except settings.UnfitSettings as error:
            raise UserError(f"{error}; {cure_of_version(path)}") from error
        except UserError as error:
            raise UserError(f"{error}; restore it from a copy") from error
        manifest = read_manifest(path)
        given(path, manifest)
        if device:
            chosen_device(device)  # refused, if it is, before anything is made of the run
            config = replace(config, device=device)
        return cls(path, config, manifest)

    @classmethod
    def open_or_create(
        cls, path: Path | None, recipe: str | None, overrides: list[str], *, again: str | None = None
    ) -> "RunFolder":
        """Continues the run in `path`, `runs/RECIPE` if not given, or makes one from `recipe`, the first one if not
        given. Raises UserError where the two disagree.

        Budgets may change, and so may the settings of a stage that is not begun, or is done `again`. They do so by
        `overrides` alone, when `take_settings` is called: naming its recipe again does not take back what the run was
        given since.
        """
        if path is None:
            recipe = recipe or settings.names()[0]
            path = Path("runs") / Path(recipe).stem
        settings.trust_named(overrides)
        if not (path / RECIPE).is_file():
            require_own_place(path)
            return cls.create(path, settings.load(recipe or settings.names()[0], overrides))
        run = cls.open(path)
        old = settings.flatten(settings.load(str(path / RECIPE)))
        new = settings.flatten(settings.load(recipe or str(path / RECIPE), overrides))
        open_, free = run._open_stages(again), (*WORDS, *EXTENDABLE)
        if run._is_tied(again):
            open_, free = [stage for stage in open_ if stage in REMADE], ("workers", "device")
        fixed = [
            key for key in old | new if new.get(key) != old.get(key) and key not in free and stage_of(key) not in open_
        ]
        if fixed:
            key = fixed[0]
            raise UserError(
                f"{path} was made with {key} = {old.get(key)!r}, not {new.get(key)!r}: choose another --run, "
                f"leave out the recipe and --set to continue it as it is, or do the stage anew with --again",
                usage=True,
            )
        run.config = settings.load(str(path / RECIPE), overrides)
        run._overrides = overrides
        return run

    def _open_stages(self, again: str | None) -> list[str]:
        """Those that may have other settings: the ones not begun, and those that are done `again`, from that one on."""
        open_ = [stage for stage in STAGES if self.stage(stage)["status"] == "new"]
        return open_ + list(STAGES[STAGES.index(again) :] if again else ())

    def _is_tied(self, again: str | None) -> bool:
        """Whether rounds were made, or are being made, from this run's settings: from those of the last round until it
        has collected itself, unless all are to be made `again`, and all the while from those of earlier ones."""
        if self.is_earlier_round:
            return True
        if again == STAGES[0]:
            return False
        return self.recipe.rounds.num > 1 and self.rounds.exists() and not self.is_done("collect")

    @contextlib.contextmanager
    def locked(self, *, taking: bool = False) -> Iterator[None]:
        """Keeps a second process from writing into the same run; the lock goes with the process that holds it.

        What a killed process left half done is put in order first. Raises UserError for a fork that was cut off, but
        for who takes what it is to have.
        """
        with locked(self.path), writing.stays_there(self.path):
            self._put_in_order()
            if not taking:
                self.require_whole()
            yield

    def _put_in_order(self) -> None:
        folders = (self.rollouts, self.latents, self.evolution, self.laps, self.evaluations, self.pictures)
        for folder in (self.path, *folders):
            writing.sweep(folder)
        self.manifest = read_manifest(self.path)  # another process may have gone on since it was opened
        settled = [given(self.path, self.manifest)]
        if self.manifest.get("settings") != settled:  # an older run, or a kill between recipe and manifest
            self.manifest["settings"] = settled
            self.write_manifest()
        for stage in STAGES:
            if self.stage(stage)["status"] == FORGOTTEN:
                self.forget(stage)

    @property
    def is_given_settings(self) -> bool:
        """Whether it was opened with settings to take."""
        return bool(self._overrides)

    @property
    def reopened_by_settings(self) -> Sequence[str]:
        """The stages that the settings it was opened with let go on, or be done anew, when it takes them."""
        changed = self._changed_by(settings.load(str(self.path / RECIPE), self._overrides))
        return STAGES[next((i for i, stage in enumerate(STAGES) if stage in changed), len(STAGES)) :]

    def _changed_by(self, config: RunConfig) -> set[str]:
        """The stages, or groups of settings, that have others there than recipe.toml says."""
        old, new = settings.flatten(settings.load(str(self.path / RECIPE))), settings.flatten(config)
        return {stage_of(key) for key in new if new[key] != old.get(key)}

    def take_settings(self) -> None:
        """Gives the run, which must be locked, the settings it was opened with; what it was given by others stays."""
        if not self._overrides:
            return
        config = settings.load(str(self.path / RECIPE), self._overrides)
        self.config, changed = config, self._changed_by(config)
        for stage in STAGES:
            if stage in changed and self.is_done(stage) and stage not in REMADE:
                self.verify(stage)
                self.verify_states(stage)
        for stage in STAGES:
            if stage in changed:
                self.reopen(stage)
        if changed:  # after the stages are open: a kill in between only evaluates once more
            self.save_recipe(config)

    def save_recipe(self, config: RunConfig) -> None:
        """Replaces recipe.toml. The manifest knows both, the old one and the new, while a kill may leave either."""
        self.manifest["settings"] = [*self.manifest.get("settings", [])[-1:], as_given(config)]
        self.write_manifest()
        settings.save(config, self.path / RECIPE)

    def lengthen(self, name: str, more: int) -> None:
        """Lets a finished fit go on for `more` of what its recipe counts, and removes what was made from it.

        Raises UserError where it is not finished.
        """
        self.require(name)
        self.verify(name)
        self.verify_states(name)
        group = f"rounds.{name}_" if self.recipe.rounds.num > 1 else f"{name}."
        key = f"{group}{LENGTHS[name]}"
        length = settings.flatten(self.recipe)[key] + more
        self.forget(STAGES[STAGES.index(name) + 1])
        self.reopen(name)
        config = settings.load(str(self.path / RECIPE), [f"{key}={length}"])
        self.config = config
        self.save_recipe(config)


def collecting_agent(run: RunFolder) -> RunFolder | None:
    """The run whose agent takes part in collecting, or None.

    Raises UserError where it is missing, not finished, damaged, or drives in another world.
    """
    name, key = str(run.forerunner or run.recipe.collect.agent), _who_drives(run.recipe)
    if not name:
        return None
    if run.forerunner and not (run.forerunner / RECIPE).is_file():
        raise UserError(
            f"{key}: {run.forerunner} is missing, which {run.path} goes on from: restore it from a copy, or begin anew "
            f"with `reverie collect --run {run.path} --again`"
        )
    try:
        agent = RunFolder.open(packaged(name) if name in SHIPPED else name, run.recipe.device)
        agent.require_agent()
    except UserError as error:
        raise UserError(f"{key}: {error}") from error
    check_same_world(run.config, agent.config, f"{key}: {agent.name}")
    return agent


def round_before(run: RunFolder) -> RunFolder | None:
    """The round that this one goes on from, whole up to its C; None for a first one. Errors as `collecting_agent`."""
    return collecting_agent(run) if run.recipe.rounds.num > 1 else None


def _who_drives(recipe: RunConfig) -> str:
    """The setting that says who takes part in collecting."""
    if recipe.rounds.num > 1:
        return f"round {recipe.rounds.num - 2}"
    return "collect.scout" if recipe.collect.scout else "collect.agent"


def _is_left_by_create(path: Path) -> bool:
    return path.name == NAME or is_lock(path) or (path.name.startswith(".") and path.name.endswith(".tmp"))
