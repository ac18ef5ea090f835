"""Training loops without the zoo around them, each in a process of its own: `python loops.py CASE LOOP`.

Data, net and recipe are those of a trial, so that only the loops differ. Prints the images per second, and exits with
MISSING if the loop's package is not installed. The batches of Lightning, skorch and ignite, too, come from tensors in
memory, which is faster than a DataLoader.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core.kinds.augment import shift
from zoo_core.registry import Registry
from zoo_core.results.store import Store
from zoo_core.runner.plan import make_plan
from zoo_core.runner.prepare import PreparedTrial
from zoo_core.runner.request import make_request
from zoo_core.runner.trial import TrialRunner

MISSING = 3  # exit code
WARM_UP_STEPS = 3
INITIAL_IMAGES = 5000  # which a model's `initialize` gets


@dataclass(frozen=True)
class Case:
    """A pair on some data, and how long it trains. archive: of the data in the folder ZOO_TEST_DATA; "": offline."""

    task: str
    model: str
    steps: int
    dataset: str = ""
    archive: str = ""
    threads: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.task} {self.model}"

    @property
    def data_root(self) -> Path | None:
        return Path(os.environ["ZOO_TEST_DATA"]) / self.archive if self.archive else None


CASES = {
    case.name: case
    for case in (
        Case("mnist", "mlp-100", 1875, "mnist", "mnist.tar", threads=1),  # an epoch
        Case("cifar10", "cnn", 60, "cifar10-images", "cifar10.zip"),
        Case("cifar10", "cnn-fast", 25, "cifar10-images", "cifar10.zip"),
    )
}


def prepare(case: Case) -> PreparedTrial:
    """Prepare the case's trial in this process, as a worker does."""
    registry = Registry.load()
    with tempfile.TemporaryDirectory() as folder:
        request = make_request(
            registry,
            [case.task],
            [case.model],
            settings=case.settings,
            max_steps=case.steps,
            dataset=case.dataset,
            data_root=case.data_root,
            offline=not case.archive,
            threads=case.threads,
        )
        (planned,) = make_plan(request, registry, Store(Path(folder))).todo
        trial = TrialRunner(planned.to_trial_job(Path(folder), ""), lambda _: None).prepare()
    torch.set_num_threads(case.threads or len(os.sched_getaffinity(0)))
    return trial


class Images:
    """The training images of a trial in memory, raw or, if the recipe does not augment them, as inputs of the net."""

    def __init__(self, trial: PreparedTrial, net: nn.Module, loaded: tuple[Tensor, Tensor] | None = None) -> None:
        self.recipe, signature = trial.recipe, trial.data.signature
        self.raw, self.labels = loaded or load(trial)
        self._mean, self._std = (torch.tensor(values).view(1, -1, 1, 1) for values in (signature.mean, signature.std))
        has_convolutions = any(isinstance(module, nn.Conv2d) for module in net.modules())
        self._layout = torch.channels_last if has_convolutions else torch.contiguous_format
        self.augmented = bool(self.recipe.crop or self.recipe.flip)
        self.ready = self.raw if self.augmented else self.inputs(self.raw)
        net.to(memory_format=self._layout)
        if hasattr(net, "initialize"):
            with torch.no_grad():
                net.initialize(self.inputs(self.raw[:: max(1, len(self.raw) // INITIAL_IMAGES)]))

    def inputs(self, raw: Tensor) -> Tensor:
        x = raw.to(dtype=torch.float32, memory_format=self._layout)
        if not self.recipe.normalize:
            return x / 255
        return torch.addcmul(-self._mean / self._std, x, 1 / (255 * self._std))

    def __len__(self) -> int:
        return -(-len(self.ready) // self.recipe.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch."""
        for index in torch.randperm(len(self.ready)).split(self.recipe.batch_size):
            x = self.ready[index]
            yield (self.inputs(self._augment(x)) if self.augmented else x), self.labels[index]

    def _augment(self, raw: Tensor) -> Tensor:
        reach = self.recipe.crop
        top, left = (torch.randint(-reach, reach + 1, (len(raw),)) for _ in range(2))
        return shift(raw, top, left, torch.rand(len(raw)) < (0.5 if self.recipe.flip else 0))


def load(trial: PreparedTrial) -> tuple[Tensor, Tensor]:
    """Copy the raw training images and their labels into memory."""
    split = trial.data.split("train", holdout=trial.recipe.holdout)
    rows = slice(None) if split.rows is None else split.rows
    x, y = (torch.from_numpy(np.array(split.columns[name][rows])) for name in ("x", "y"))
    return x, y


def make_sgd(net: nn.Module, recipe: Any, *, fused: bool = True) -> torch.optim.SGD:
    given = {key: recipe[key] for key in ("lr", "momentum", "nesterov", "weight_decay")}
    return torch.optim.SGD([item for item in net.parameters() if item.requires_grad], **given, fused=fused)


def bare_steps(trial: PreparedTrial, net: nn.Module, loaded: tuple[Tensor, Tensor] | None = None) -> Iterator[int]:
    """Train without end; yield the number of images after each step."""
    recipe, images = trial.recipe, Images(trial, net, loaded)
    optimizer, step = make_sgd(net, recipe), 0
    while True:
        for x, y in images:
            optimizer.param_groups[0]["lr"] = recipe.lr * rate(recipe, step / recipe.steps)
            loss = F.cross_entropy(net(x), y, label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            yield len(y)


def rate(recipe: Any, progress: float) -> float:
    """The share of the learning rate for a constant or a linear schedule."""
    if progress < recipe.warmup:
        return progress / recipe.warmup
    return 1.0 if recipe.schedule == "constant" else max(0.0, (1 - progress) / (1 - recipe.warmup))


def bare(trial: PreparedTrial) -> float:
    """Images per second of the bare loop, with what a model computes from its data before the first step.

    Loading the data is not timed, in the zoo neither.
    """
    loaded = load(trial)
    warming = bare_steps(trial, trial.build_model(), loaded)
    for _ in range(WARM_UP_STEPS):
        next(warming)
    net = trial.build_model()
    steps = bare_steps(trial, net, loaded)
    began = time.perf_counter()
    count = sum(next(steps) for _ in range(trial.recipe.steps))
    return count / (time.perf_counter() - began)


class Watch:
    """Counts the images of steps after the first few, and their time."""

    def __init__(self, trial: PreparedTrial) -> None:
        self._images = -WARM_UP_STEPS * trial.recipe.batch_size
        self._began = self._ended = 0.0

    def step(self, count: int) -> None:
        """Note the end of a step."""
        self._images += count
        self._ended = time.perf_counter()
        if self._images <= 0:
            self._began = self._ended

    def images_per_s(self) -> float:
        return self._images / (self._ended - self._began)


def course(trial: PreparedTrial) -> float:
    """As in a course's notebook: a DataLoader that makes a tensor of each image anew, and the accuracy at each step."""
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset
    from torchvision.transforms import ToTensor

    net = trial.build_model()
    images, to_tensor, correct = Images(trial, net), ToTensor(), 0

    class Pictures(Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return len(images.raw)

        def __getitem__(self, index: int) -> tuple[Tensor, int]:
            return to_tensor(Image.fromarray(images.raw[index, 0].numpy())), int(images.labels[index])

    optimizer = make_sgd(net, trial.recipe, fused=False)
    batches = iter(DataLoader(Pictures(), batch_size=trial.recipe.batch_size, shuffle=True))
    watch = Watch(trial)
    for _ in range(trial.recipe.steps):
        x, y = next(batches)
        output = net(x)
        loss = F.cross_entropy(output, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        correct += int((output.argmax(1) == y).sum().item())
        watch.step(len(y))
    return watch.images_per_s()


def lightning(trial: PreparedTrial) -> float:
    """Lightning's Trainer, with everything switched off that only reports."""
    import lightning as pl

    net = trial.build_model()
    images, watch = Images(trial, net), Watch(trial)

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
            return F.cross_entropy(self.net(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return make_sgd(self.net, trial.recipe)

        def on_train_batch_end(self, _: Any, batch: tuple[Tensor, Tensor], __: int) -> None:
            watch.step(len(batch[1]))

    quiet = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    options = dict.fromkeys(quiet, False)
    pl.Trainer(accelerator="cpu", devices=1, max_steps=trial.recipe.steps, **options).fit(Module(), images)
    return watch.images_per_s()


def skorch(trial: PreparedTrial) -> float:
    """skorch's NeuralNet without output and scores."""
    from skorch import NeuralNet
    from skorch.callbacks import Callback

    net = trial.build_model()
    images, watch = Images(trial, net), Watch(trial)

    class Note(Callback):
        def on_batch_end(self, _: Any, batch: tuple[Tensor, Tensor], **__: Any) -> None:
            watch.step(len(batch[1]))

    class Ready:
        def __init__(self, *_: Any, **__: Any) -> None: ...

        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            return iter(images)

    given = {f"optimizer__{key}": trial.recipe[key] for key in ("momentum", "nesterov", "weight_decay")}
    learner = NeuralNet(
        net,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        optimizer__fused=True,
        lr=trial.recipe.lr,
        max_epochs=-(-trial.recipe.steps // len(images)),
        train_split=None,
        iterator_train=Ready,
        callbacks=[Note()],
        verbose=0,
        **given,
    )
    learner.fit(images.ready, images.labels)
    return watch.images_per_s()


def ignite(trial: PreparedTrial) -> float:
    """ignite's supervised trainer."""
    from ignite.engine import Events, create_supervised_trainer

    net = trial.build_model()
    images, watch = Images(trial, net), Watch(trial)
    trainer = create_supervised_trainer(net, make_sgd(net, trial.recipe), nn.CrossEntropyLoss())
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: watch.step(len(engine.state.batch[1])))
    trainer.run(images, max_epochs=1, epoch_length=trial.recipe.steps)
    return watch.images_per_s()


LOOPS: dict[str, Callable[[PreparedTrial], float]] = {
    "bare": bare,
    "bare, denormal numbers kept": bare,
    "course": course,
    "Lightning": lightning,
    "skorch": skorch,
    "ignite": ignite,
}
PACKAGES = {  # of a loop, with what they need beside torch and the zoo's own packages
    "Lightning": "lightning pytorch-lightning lightning-utilities torchmetrics fsspec packaging pyyaml tqdm",
    "skorch": "skorch tabulate tqdm",
    "ignite": "pytorch-ignite packaging",
}


def main() -> int:
    case, loop = CASES[sys.argv[1]], sys.argv[2]
    trial = prepare(case)
    torch.set_flush_denormal(loop != "bare, denormal numbers kept")  # the trial flushes them
    try:
        print(LOOPS[loop](trial))
    except ModuleNotFoundError as error:
        print(f"{error}", file=sys.stderr)
        return MISSING
    return 0


if __name__ == "__main__":
    sys.exit(main())
