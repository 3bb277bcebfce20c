"""Builds what a Dockerfile says, step by step and in its order, in boxes instead of a container engine.

The lines that are run are the Dockerfile's own, read anew each time: nothing is repeated here, so a test of the result
is a test of the file. What differs from an engine is the base image, for which this machine stands in (see `boxes`).
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tests.container.boxes import STEP_S, Box, base_env, index_env
from tests.container.dockerfile import Instruction, exec_form, expand, read

CACHED = ("__pycache__",)


@dataclass
class Image:
    """A stage of a build, and what it says about being run."""

    box: Box
    env: dict[str, str] = field(default_factory=base_env)
    labels: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0:0"
    volumes: Sequence[str] = ()
    stop_signal: str = "SIGTERM"
    health: Sequence[str] = ()
    entrypoint: Sequence[str] = ()
    cmd: Sequence[str] = ()


def build(dockerfile: Path, context: Path, folder: Path, caches: Path) -> Image:
    """Carry out a Dockerfile and return its last stage."""
    builder = _Builder(context, folder, caches)
    for instruction in read(dockerfile):
        builder.do(instruction)
    return builder.stages[-1]


class _Builder:
    def __init__(self, context: Path, folder: Path, caches: Path) -> None:
        self._context, self._folder, self._caches = context, folder, caches
        self._arguments: dict[str, str] = {}
        self._names: dict[str, Image] = {}
        self.stages: list[Image] = []

    def do(self, instruction: Instruction) -> None:
        """Carry out one instruction."""
        getattr(self, f"_{instruction.word.lower()}")(instruction)

    @property
    def _stage(self) -> Image:
        return self.stages[-1]

    def _arg(self, said: Instruction) -> None:
        name, _, value = said.text.partition("=")
        self._arguments[name] = value

    def _from(self, said: Instruction) -> None:
        base, *alias = expand(said.text, self._arguments).split()
        if not base.startswith("python:") or "slim" not in base:
            raise ValueError(f"this machine can stand in for a slim Python alone, not for {base}")
        self.stages.append(Image(Box(self._folder / str(len(self.stages)))))
        if alias:
            self._names[alias[1]] = self._stage

    def _label(self, said: Instruction) -> None:
        self._stage.labels |= dict(word.split("=", 1) for word in said.words())

    def _env(self, said: Instruction) -> None:
        values = [expand(word, self._stage.env) for word in said.words()]
        self._stage.env |= dict(word.split("=", 1) for word in values)

    def _workdir(self, said: Instruction) -> None:
        self._stage.workdir = str(PurePosixPath(self._stage.workdir) / said.text)
        self._stage.box.at(self._stage.workdir).mkdir(parents=True, exist_ok=True)

    def _run(self, said: Instruction) -> None:
        binds = dict([self._cache(said.flags["mount"])] if "mount" in said.flags else [])
        env = {**index_env(), **self._stage.env}
        inner = ["sh", "-c", said.text]
        command = self._stage.box.command(inner, env, self._stage.workdir, binds, read_only=False)
        done = subprocess.run(command, capture_output=True, text=True, timeout=STEP_S, check=False)
        if done.returncode:
            raise StepFailed(f"RUN {said.text}\n{done.stdout[-2_000:]}\n{done.stderr[-4_000:]}")

    def _cache(self, mount: str) -> tuple[str, Path]:
        options = dict(part.split("=", 1) for part in mount.split(","))
        if set(options) != {"type", "target"} or options["type"] != "cache":
            raise ValueError(f"this builder doesn't know the mount {mount}")
        self._stage.box.at(options["target"]).mkdir(parents=True, exist_ok=True)
        self._caches.mkdir(parents=True, exist_ok=True)
        return options["target"], self._caches

    def _copy(self, said: Instruction) -> None:
        *sources, target = said.words()
        if set(said.flags) - {"from"} or (len(sources) > 1 and not target.endswith("/")):
            raise ValueError(f"this builder doesn't know how to COPY {said.text}")
        origin = self._names[said.flags["from"]].box.tree if "from" in said.flags else None
        place = self._stage.box.at(str(PurePosixPath(self._stage.workdir) / target))
        for source in sources:
            path = (origin or self._context) / source.lstrip("/")
            if origin is None:
                self._refuse_ignored(source)
            into = place / path.name if target.endswith("/") and path.is_file() else place
            _copied(path, into, hard=origin is not None)

    def _refuse_ignored(self, source: str) -> None:
        """Raise for what .dockerignore keeps from the builder; it knows a list of what is let through, no more."""
        rules = (self._context / ".dockerignore").read_text(encoding="utf-8").splitlines()
        rules = [rule for rule in rules if rule and not rule.startswith("#")]
        allowed = {rule[1:] for rule in rules if rule.startswith("!")}
        if [rule for rule in rules if not rule.startswith("!")] != ["*", *(f"**/{name}" for name in CACHED)]:
            raise ValueError("this builder doesn't know all rules of .dockerignore")
        if source not in allowed:
            raise StepFailed(f"COPY {source}: .dockerignore keeps it from the builder")

    def _volume(self, said: Instruction) -> None:
        self._stage.volumes = exec_form(said.text)

    def _expose(self, said: Instruction) -> None:
        int(said.text)

    def _user(self, said: Instruction) -> None:
        self._stage.user = said.text

    def _stopsignal(self, said: Instruction) -> None:
        self._stage.stop_signal = said.text

    def _healthcheck(self, said: Instruction) -> None:
        word, _, command = said.text.partition(" ")
        if word != "CMD":
            raise ValueError("this builder knows no other HEALTHCHECK than CMD")
        self._stage.health = exec_form(command)

    def _entrypoint(self, said: Instruction) -> None:
        self._stage.entrypoint = exec_form(said.text)

    def _cmd(self, said: Instruction) -> None:
        self._stage.cmd = exec_form(said.text)


class StepFailed(AssertionError):
    """A step of the Dockerfile failed."""


def _copied(source: Path, target: Path, *, hard: bool) -> None:
    """Copy a file, or a folder's content; `hard` links what the builder made itself instead of copying it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_file():
        shutil.copy2(source, target)
        return
    copy = os.link if hard else shutil.copy2
    shutil.copytree(
        source, target, symlinks=True, copy_function=copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*CACHED)
        if not hard else None,
    )  # fmt: skip


def running(
    image: Image,
    binds: Mapping[str, Path],
    inner: Sequence[str],
    *,
    user: str,
    extra: Mapping[str, str] | None = None,
    watched: Sequence[str] = (),
) -> Sequence[str]:
    """Return the command that runs a program as an engine does under Kubernetes' "restricted" profile.

    Another user, no further groups, no capabilities and no way to get any, a read-only root.
    """
    for inside, outside in binds.items():
        place = image.box.at(inside.removesuffix(":ro"))
        if outside.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        elif not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
    uid, gid = user.split(":")
    shed = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs", "--bounding-set=-all",
            "--inh-caps=-all"]  # fmt: skip
    env = {**image.env, "HOME": "/", **(extra or {})}
    return image.box.command([*shed, *inner], env, image.workdir, binds, read_only=True, watched=watched)
