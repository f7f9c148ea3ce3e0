"""Run jobs on a Ray cluster: this process alone plans and writes the store; nodes use folders of their own.

No shared file system is needed: models and outcomes are sent as bytes. Ray serialises with pickle, so all machines of
the cluster must trust each other.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
import ray
from ray._private import ray_constants
from ray.exceptions import RayError
from ray.util.queue import Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from baselines.validation import MachineError, UserError
from benchmarks.data.plain_files import is_plain_file, read_text, write_atomically
from benchmarks.executors.executor import POLL_SECONDS, Done, Elsewhere, Event, Executor, Progress
from benchmarks.executors.fresh_process import Message, answered, unwrapped
from benchmarks.executors.left_behind import Guard
from benchmarks.jobs.attack import OnProgress
from benchmarks.jobs.context import Context, RunSpec
from benchmarks.jobs.job import AttackJob, Job, TrainJob
from benchmarks.jobs.resolve import require_unchanged
from benchmarks.jobs.run import run
from benchmarks.results.locks import Held
from benchmarks.results.store import Store, content_key, differences

RETRIES = 3
GRACE_SECONDS = 30.0
TOLD_EVERY_SECONDS = 1.0
TOKEN = "ray-token"
LOOPBACK = "127.0.0.1"

Packed = dict[str, dict[str, bytes]]


@dataclass
class Node:
    """A machine of the cluster.

    Attributes:
        id: Ray's name for it.
        name: its host's name and address.
        room: number of its GPUs, or of its CPUs for trainings on CPUs.
        free: how many of them are unused.
        blocks: the blocks (a task and a seed) that train on it.
    """

    id: str
    name: str
    room: int
    free: int = 0
    blocks: set[tuple[str, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.free = self.room


@dataclass
class _Task:
    """A running job: its node, the GPUs or CPUs it takes there, and the lock on its record."""

    job: Job
    node: Node
    taken: int
    lock: ExitStack


class RayExecutor(Executor):
    """Jobs as tasks of Ray, each on a whole GPU, or on whole CPUs if there is no GPU.

    All runs of a block, one seed of a task, train on one machine; if it is lost, another takes over. If the process or
    the machine of a task dies, Ray starts the task again; on the same machine it continues where it stopped. This
    process locks each record until it is stored.

    Args:
        context: the context of the run.
        jobs: all jobs; before any work, every node must compute the same keys for them.
        started_with: further arguments for a Ray that is started on this machine.
    """

    def __init__(self, context: Context, jobs: Sequence[Job], **started_with: Any):
        self._context, self._jobs, self._started_with = context, jobs, started_with
        self._on_gpu = context.device == "cuda"
        self._queue: list[Job] = []
        self._tasks: dict[ray.ObjectRef, _Task] = {}
        self._packs: dict[str, ray.ObjectRef] = {}
        self._stored_meanwhile: list[Job] = []
        self._nodes: list[Node] = []
        self._elsewhere = Elsewhere(context.store)
        self._guard: Guard | None = None

    def __enter__(self) -> RayExecutor:
        before = psutil.Process().children(recursive=True)
        self._connect()
        try:
            self._nodes = self._usable_nodes()
            self._guard_what_came_since(before)
            self._scratch = self._scratch_name()
            self._told = Queue(actor_options={"num_cpus": 0, "max_restarts": -1})
            self._look_at_nodes()
            self._guard_what_came_since(before)
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        with suppress(RayError):
            if kind is None:
                ray.get([self._on(node, _remove, 0).remote(self._scratch) for node in self._nodes])
            elif self._tasks:
                for reference in self._tasks:
                    ray.cancel(reference)  # a training leaves a checkpoint on its node
                ray.wait(list(self._tasks), num_returns=len(self._tasks), timeout=GRACE_SECONDS)
        for task in self._tasks.values():
            task.lock.close()
        self._leave()

    def _leave(self) -> None:
        ray.shutdown()
        if self._guard is not None:
            self._guard.close()
            self._guard = None

    def _guard_what_came_since(self, before: Sequence[psutil.Process]) -> None:
        """Make sure that a Ray started here ends with this process, even if this process is killed.

        Ray's own agents would first try for a minute to reach the rest of it.
        """
        if self._context.options.ray_address is None:
            self._guard = self._guard or Guard()
            self._guard.name([each for each in psutil.Process().children(recursive=True) if each not in before])

    def describe(self) -> str:
        """The nodes, for the screen."""
        unit = "GPUs" if self._on_gpu else "CPUs"
        machines = ", ".join(f"{node.name} with {node.room} {unit}" for node in self._nodes)
        note = "; times do not count" if self._context.options.untimed else ""
        return f"executor Ray: {machines}{note}"

    def submit(self, job: Job) -> None:
        """Queue a job, and start as many queued jobs as there is room for."""
        self._queue.append(job)
        self._start()

    def events(self) -> Iterator[Event]:
        """Yield the progress that the nodes report, and store the files of finished jobs."""
        for job in self._stored_meanwhile:
            yield Done(job.key)
        self._stored_meanwhile.clear()
        ended: list[ray.ObjectRef] = []
        if self._tasks:
            ended, _ = ray.wait(list(self._tasks), timeout=POLL_SECONDS)
        elif self._queue:
            time.sleep(POLL_SECONDS)  # another command is running all that is left
        yield from self._progress()
        for reference in ended:
            task = self._tasks.pop(reference)
            with task.lock:
                self._store(reference, task)
            task.node.free += task.taken
            yield Done(task.job.key)
        self._start()

    def _progress(self) -> Iterator[Progress]:
        told: list[tuple[str, int, int]] = []
        with suppress(RayError):  # if the machine that keeps the progress is lost, the work is not
            told = self._told.get_nowait_batch(self._told.qsize())
        keys = {task.job.key for task in self._tasks.values()}
        for key, amount, queries in told:
            if key in keys:
                yield Progress(key, amount, queries)

    def _connect(self) -> None:
        """Join the cluster, or start Ray here; this program keeps its own signal handlers."""
        options = self._context.options
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        heeded = (signal.SIGTERM, signal.SIGINT) if threading.current_thread() is threading.main_thread() else ()
        handlers = {each: signal.getsignal(each) for each in heeded}
        if options.ray_address is None:
            size = {"num_gpus" if self._on_gpu else "num_cpus": options.workers}
            how: dict[str, Any] = {"address": "local", "include_dashboard": False} | size | self._started_with
            where = "on this machine"
            reach: AbstractContextManager[None] = _on_loopback()
        else:
            how = {"address": options.ray_address}
            where, reach = f"at {options.ray_address}", nullcontext()
        try:
            with reach:
                ray.init(log_to_driver=False, logging_level="error", **how)
        except (OSError, ValueError, RuntimeError) as error:
            raise MachineError(f"Ray {where} cannot be started or reached: {error}") from error
        for each, handler in handlers.items():
            signal.signal(each, handler)
        if options.ray_address is None and ray.nodes()[0]["NodeManagerAddress"] != LOOPBACK:
            ray.shutdown()
            raise MachineError(
                f"Ray {ray.__version__} listens on more than {LOOPBACK}, where others could reach it and run code; "
                f"start a fenced cluster with 'ray start' and give --ray-address, or take --executor local"
            )

    def _usable_nodes(self) -> list[Node]:
        """The nodes that are alive and have a GPU, or a CPU.

        Raises:
            MachineError: if there is none.
        """
        unit = "GPU" if self._on_gpu else "CPU"
        nodes = [
            Node(each["NodeID"], f"{each['NodeManagerHostname']} ({each['NodeManagerAddress']})", room)
            for each in ray.nodes()
            if each["Alive"] and (room := int(each["Resources"].get(unit, 0))) >= 1
        ]
        if not nodes:
            raise MachineError(f"the Ray cluster has no node with a {unit}; see 'ray status'")
        return nodes

    def _look_at_nodes(self) -> None:
        """Let every node load what the run needs, and compare that with this machine.

        Raises:
            MachineError: naming the first node that lacks something or differs.
        """
        answers = [
            self._on(node, _look_there, self._needs(None, node)).remote(
                self._spec(node), self._scratch, samples(self._jobs)
            )
            for node in self._nodes
        ]
        for node, reference in zip(self._nodes, answers, strict=True):
            try:
                there = unwrapped(ray.get(reference), f"the check of {node.name}")
            except (UserError, MachineError, RayError) as error:
                raise MachineError(f"the node {node.name} cannot take part: {error}") from error
            changed = next(differences(self._context.versions, there), None)
            if changed is not None:
                raise MachineError(
                    f"the node {node.name} cannot take part, since it differs from this machine: {changed}"
                )

    def _spec(self, node: Node) -> RunSpec:
        """The run's specification for a node, with absolute paths."""
        options = self._context.options
        paths = {
            name: value.absolute() for name, value in vars(options).items() if isinstance(value, Path) and name != "out"
        }
        if options.backbone is not None and Path(options.backbone).is_dir():
            paths["backbone"] = str(Path(options.backbone).absolute())
        threads = options.threads or (1 if self._on_gpu else self._context.machine["threads"])
        return replace(self._context.spec, options=replace(options, threads=threads, **paths))

    def _scratch_name(self) -> str:
        """Name of the folders on the nodes: the same for a repeated command on this store, and used by no other."""
        token = self._context.store.root / TOKEN
        if not is_plain_file(token):
            write_atomically(token, uuid.uuid4().hex)
        planned = {"store": read_text(token), "jobs": [job.key for job in self._jobs]}
        return f"earlyrobust-{content_key(planned)[:16]}"

    def _needs(self, job: Job | None, node: Node) -> int:
        """Number of GPUs or CPUs that a job takes; None stands for the check of a node."""
        if self._on_gpu or not isinstance(job, TrainJob):
            return 1
        return min(node.room, self._context.options.threads or 1) if self._context.options.untimed else node.room

    def _on(self, node: Node, function: Any, units: int, *, soft: bool = False, fresh: bool = False) -> Any:
        """A function as a task on a node.

        Args:
            units: GPUs or CPUs it takes.
            soft: whether it may run elsewhere if the node is lost.
            fresh: whether its process ends after it.
        """
        amounts = {"num_gpus": units, "num_cpus": min(units, 1)} if self._on_gpu else {"num_cpus": units}
        task = ray.remote(max_calls=1)(function) if fresh or (self._on_gpu and units) else ray.remote(function)
        where = NodeAffinitySchedulingStrategy(node.id, soft=soft)
        return task.options(**amounts, max_retries=RETRIES, scheduling_strategy=where)

    def _start(self) -> None:
        """Start queued jobs, in their order on each machine, where there is room."""
        if not self._queue or not any(node.free for node in self._nodes):
            return
        alive = {each["NodeID"] for each in ray.nodes() if each["Alive"]}
        nodes = [node for node in self._nodes if node.id in alive]
        if not nodes:
            raise MachineError("all nodes of the Ray cluster are gone; the same command continues on another")
        for job in [each for each in self._queue if not self._elsewhere.is_at(each)]:
            if (node := self._room_for(job, nodes)) is not None:
                self._queue.remove(job)
                if isinstance(job, TrainJob):
                    node.blocks.add((job.task, job.seed))
                self._begin(job, node)

    def _room_for(self, job: Job, nodes: Sequence[Node]) -> Node | None:
        """A node with room for a job: for a training the one of its block, otherwise the one with most room."""
        if isinstance(job, TrainJob):
            nodes = [node for node in nodes if (job.task, job.seed) in node.blocks] or nodes
        with_room = [node for node in nodes if node.free >= self._needs(job, node)]
        return max(with_room, key=lambda node: (node.free, -len(node.blocks)), default=None)

    def _begin(self, job: Job, node: Node) -> None:
        store, home = self._context.store, job.home(self._context.store)
        with ExitStack() as lock:
            try:
                lock.enter_context(home.locked(job.kind, job.key, at_once=True))
            except Held:
                if not store.waits:
                    raise
                self._queue.append(job)
                return
            if job.record(store) is not None:
                self._stored_meanwhile.append(job)
                return
            if isinstance(job, AttackJob) and (training := store.training(job.training)) is not None:
                home.hold_to(job.key, training.weights_sha256)
            taken = self._needs(job, node)
            function = self._on(node, work_there, taken, soft=True, fresh=isinstance(job, TrainJob))
            packs = [self._pack_of(job.needs)] if job.needs is not None else []
            stored: Packed = {job.folder: store.pack(job.folder)}
            reference = function.remote(self._spec(node), self._scratch, job, self._told, stored, *packs)
            node.free -= taken
            self._tasks[reference] = _Task(job, node, taken, lock.pop_all())

    def _pack_of(self, folder: str) -> ray.ObjectRef:
        """The files of a folder of the store, kept where nodes can fetch them while a running job needs them."""
        needed = {task.job.needs for task in self._tasks.values()}
        self._packs = {key: reference for key, reference in self._packs.items() if key in needed}
        if folder not in self._packs:
            self._packs[folder] = ray.put({folder: self._context.store.pack(folder)})
        return self._packs[folder]

    def _store(self, reference: ray.ObjectRef, task: _Task) -> None:
        """Put the files that a job made into the store.

        Raises:
            UserError, MachineError, UserCodeError: those of the job; a MachineError if its process died repeatedly.
        """
        label = task.job.label
        try:
            message, made = ray.get(reference)
        except RayError as error:
            reason = next(iter(str(error).splitlines()), "")
            raise MachineError(
                f"{label} on {task.node.name} ended without an answer, after {RETRIES} retries: {reason}"
            ) from error
        unwrapped(message, label)
        for folder, files in made.items():
            self._context.store.unpack(folder, files)


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Let a Ray that is started in the block listen on the loopback address only: anyone who reaches it can run code.

    Ray has no option for this on Linux; on other systems, without a cluster, it does so by itself.
    """
    name, before = ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR, ray_constants.ENABLE_RAY_CLUSTER
    given = os.environ.get(name)
    os.environ[name], ray_constants.ENABLE_RAY_CLUSTER = "0", False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
        if given is None:
            del os.environ[name]
        else:
            os.environ[name] = given


def samples(jobs: Sequence[Job]) -> list[Job]:
    """One job for each defense and each recipe of a task: these may differ from machine to machine."""
    found: dict[tuple[str, ...], Job] = {}
    for job in jobs:
        what = job.recipe.key if isinstance(job, AttackJob) else repr(job.defense)
        found.setdefault((job.kind, job.task, what), job)
    return list(found.values())


def _look_there(spec: RunSpec, scratch: str, jobs: Sequence[Job]) -> Message:
    """On a node: raise an error for jobs with another identity there, and return the versions."""

    def look() -> dict[str, str]:
        context = _loaded(spec, scratch)
        for job in jobs:
            require_unchanged(context, job)
        return context.versions

    return answered(look)


_known: Context | None = None


def _loaded(spec: RunSpec, scratch: str) -> Context:
    """The context in a process of a node, with the node's own folder as store; loaded once."""
    global _known
    folder = Path(tempfile.gettempdir()) / scratch
    spec = replace(spec, options=replace(spec.options, out=folder))
    if _known is None or _known.spec != spec:
        folder.mkdir(mode=0o700, exist_ok=True)
        _known = spec.load()
    return _known


def work_there(
    spec: RunSpec, scratch: str, job: Job, told: Queue, stored: Packed, *needed: Packed
) -> tuple[Message, Packed]:
    """Do a job on a node.

    Args:
        stored: the files of this job that are in the store already.
        needed: the files that the job needs.
    Returns:
        The job's result as a message, and the files it made.
    """
    made: Packed = {}
    tell = _telling(told, job.key)

    def do() -> None:
        tell(0)
        context = _loaded(spec, scratch)
        store: Store = context.store
        for folder, files in [pair for pack in (stored, *needed) for pair in pack.items()]:
            store.unpack(folder, files)
        run(context, job, tell)
        made[job.folder] = store.pack(job.folder)

    return answered(do), made


def _telling(told: Queue, key: str) -> OnProgress:
    """A function that reports a job's progress: at its first call, then at most once a second for all calls since."""
    since, kept, asked = -math.inf, 0, 0

    def tell(amount: int = 1, *, queries: int = 0) -> None:
        nonlocal since, kept, asked
        kept, asked = kept + amount, asked + queries
        if time.monotonic() - since >= TOLD_EVERY_SECONDS:
            with suppress(RayError):  # the work continues even if no process receives the report
                told.put_nowait((key, kept, asked))
            since, kept, asked = time.monotonic(), 0, 0

    return tell


def _remove(scratch: str) -> None:
    shutil.rmtree(Path(tempfile.gettempdir()) / scratch, ignore_errors=True)
