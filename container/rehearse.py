"""The steps of a Dockerfile in clean roots, where no container engine runs: Debian by debootstrap, commands by chroot.

    python container/rehearse.py Dockerfile FOLDER [--env NAME=VALUE]... [--bind PATH]... [--then "VERB ..."]

Each `FROM` gets a fresh Debian in FOLDER, whatever image it names: its Python must be that of the image. What `--then`
says runs as the image would run it. `--env` and `--bind` are what a build on this machine needs to reach its packages;
they stay out of the image. It takes root, and knows the instructions that our Dockerfiles use; any other is refused.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

SUITE = "bookworm"
"""Debian whose Python is 3.11."""
PACKAGES = "python3,python3-venv,ca-certificates"
KNOWN = {"FROM", "ARG", "ENV", "WORKDIR", "COPY", "RUN", "USER", "ENTRYPOINT", "CMD"}
BASE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def instructions(text: str) -> list[tuple[str, str]]:
    """(word, rest) of each instruction; lines that end in a backslash go on. Raises ValueError for one that is not
    known here."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found = list[tuple[str, str]]()
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word not in KNOWN:
            raise ValueError(f"{word}: not an instruction that is known here")
        found.append((word, rest.strip()))
    if not found or found[0][0] != "FROM":
        raise ValueError("a Dockerfile begins with FROM")
    return found


@dataclass(kw_only=True)
class Stage:
    """One image on its way."""

    root: Path
    env: dict[str, str] = field(default_factory=lambda: {"PATH": BASE_PATH, "HOME": "/root", "LANG": "C.UTF-8"})
    args: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = "root"
    entrypoint: list[str] = field(default_factory=list)

    def inside(self, path: str) -> Path:
        """Where a path of the image lies on this machine."""
        return self.root / str(Path(self.folder) / path).lstrip("/")

    def run(self, command: list[str], more: dict[str, str]) -> None:
        """Runs it in the root as the stage's user. Raises CalledProcessError where it fails."""
        env = self.args | more | self.env
        if self.user != "root":
            env["HOME"] = f"/home/{self.user}"
        script = f"cd {shlex.quote(self.folder)} && exec {shlex.join(command)}"
        assigned = [f"{name}={value}" for name, value in env.items()]
        subprocess.run(
            ["chroot", f"--userspec={self.user}:{self.user}", self.root, "env", "-i", *assigned, "sh", "-c", script],
            check=True,
        )


class Rehearsal:
    """The stages of one Dockerfile, each in a folder of its own."""

    def __init__(self, context: Path, folder: Path, env: dict[str, str], binds: list[str]) -> None:
        self.context, self.folder, self.env, self.binds = context, folder, env, binds
        self.stages = dict[str, Stage]()
        self.mounted = list[Path]()

    def carry_out(self, steps: list[tuple[str, str]]) -> Stage:
        """All steps, in order; gives the last stage, with /proc and what was bound still mounted."""
        stage: Stage | None = None
        for word, rest in steps:
            print(f"{word} {rest}", flush=True)
            if word == "FROM":
                stage = self._begin(rest)
            assert stage is not None
            if word in ("ARG", "ENV"):
                name, _, value = rest.partition("=")
                value = value.replace("$PATH", stage.env["PATH"])
                (stage.args if word == "ARG" else stage.env)[name] = value
            elif word == "WORKDIR":
                stage.folder = rest
                stage.inside(".").mkdir(parents=True, exist_ok=True)
            elif word == "COPY":
                self._copy(stage, shlex.split(rest))
            elif word == "RUN":
                stage.run(["sh", "-c", rest], self.env)
            elif word == "USER":
                stage.user = rest
            elif word == "ENTRYPOINT":
                stage.entrypoint = json.loads(rest)
        assert stage is not None
        return stage

    def _begin(self, rest: str) -> Stage:
        _, _, name = rest.partition(" AS ")
        root = self.folder / (name or "image")
        base = self.folder / "base"
        if not base.exists():
            subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, base], check=True)
        subprocess.run(["cp", "--archive", base, root], check=True)
        stage = self.stages[name] = Stage(root=root)
        for path in ("/proc", "/dev", *self.binds):
            target = root / path.lstrip("/")
            if Path(path).is_dir():
                target.mkdir(parents=True, exist_ok=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.touch()
            subprocess.run(["mount", "--bind", path, target], check=True)
            self.mounted.append(target)
        shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
        return stage

    def _copy(self, stage: Stage, words: list[str]) -> None:
        source = self.context
        if words[0].startswith("--from="):
            source = self.stages[words.pop(0).removeprefix("--from=")].root
        *names, target = words
        for name in names:
            of, to = source / name.lstrip("/"), stage.inside(target)
            if of.is_dir():
                ignored = shutil.ignore_patterns("__pycache__") if source == self.context else None
                shutil.copytree(of, to, symlinks=True, dirs_exist_ok=True, ignore=ignored)
            else:
                to.mkdir(parents=True, exist_ok=True)
                shutil.copy(of, to)

    def leave(self) -> None:
        """Unmounts all."""
        for target in reversed(self.mounted):
            subprocess.run(["umount", "--lazy", target], check=False)


def main() -> int:
    """Carries out a Dockerfile and a command in it; says how large the image would be above its base."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dockerfile", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--bind", action="append", default=[])
    parser.add_argument("--then", default="")
    args = parser.parse_args()
    steps = instructions(args.dockerfile.read_text(encoding="utf-8"))
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        print("rehearse.py needs root and Debian's debootstrap", file=sys.stderr)
        return 1
    rehearsal = Rehearsal(
        args.dockerfile.resolve().parent,
        args.folder.resolve(),
        dict(one.split("=", 1) for one in args.env),
        args.bind,
    )
    try:
        stage = rehearsal.carry_out(steps)
        if args.then:
            stage.run([*stage.entrypoint, *shlex.split(args.then)], rehearsal.env)
    finally:
        rehearsal.leave()
    subprocess.run(["du", "--summarize", "--human-readable", stage.inside("/opt/reverie")], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
