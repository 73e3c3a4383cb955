"""The stages of a run: their order, what each makes, and which settings are about it."""

AGENT_STAGES = ("vision", "memory", "controller")
"""The stages that make an agent."""
STAGES = ("collect", "vision", "encode", "memory", "controller", "evaluate", "pictures")
REMADE = ("evaluate", "pictures")
"""Stages whose results are made again when they are gone or damaged, since nothing is made from them."""
LENGTHS = {"vision": "epochs", "memory": "steps"}
"""Stages that fit a model, and the setting that says for how long."""
OUTPUTS = {
    "collect": ("rollouts", "scout", "rounds"),
    "vision": ("vision.*",),
    "encode": ("latents",),
    "memory": ("memory.*", "dream.*", "dream"),
    "controller": ("controller.*", "evolution", "laps"),
    "evaluate": ("evaluation.json", "evaluations"),
    "pictures": ("pictures", "report.html"),
}
"""Files and folders that each makes, as patterns."""
CHECKSUMS = ("files", "states", "metrics")
"""What the manifest keeps of a stage that is no fact about it: of what it made, of what it alone goes on from, and of
what it logged."""
WORDS = ("name", "description")
"""Settings that nothing depends on."""
BESIDE = (*WORDS, "workers", "device")
"""Those, and what says by which machinery alone."""
EXTENDABLE = (
    "workers",
    "device",
    "controller.search.generations",
    "controller.search.minutes",
    "controller.imagine.steps",
    "rounds.generations",
    "rounds.imagine_steps",
    "evaluate.tracks",
    "evaluate.first_seed",
)
"""Settings that may change from one sitting to the next: more of the same, or elsewhere."""
_OF_STAGE = {
    "memory.mirror": "encode",
    "rounds.vision_epochs": "vision",
    "rounds.vision_tolerance": "vision",
    "rounds.memory_steps": "memory",
    "rounds.latent_noise": "memory",
    "rounds.newest": "memory",
    "rounds.generations": "controller",
    "rounds.imagine_steps": "controller",
    "rounds.keep": "evaluate",
    "rounds.keep_tracks": "evaluate",
}
"""Settings of a stage that do not stand in its own group."""


def stage_of(key: str) -> str:
    """The stage that a setting is about, or its group where it is about none."""
    group = key.split(".")[0]
    return _OF_STAGE.get(key, "collect" if group == "rounds" else group)
