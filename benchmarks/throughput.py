"""Training throughput of `mlp-100` at batch 32 on one thread: the zoo, a bare loop, and the course's loop.

    ZOO_TEST_DATA=/folder/with/mnist.tar .venv/bin/python benchmarks/throughput.py

Seven interleaved repeats of each, every one a process of its own; medians. Bounds: at least 0.9 times a bare loop over
in-memory tensors with the same optimizer, at least 4 times the course's loop (DataLoader, per-sample ToTensor).
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ZOO = Path(sys.executable).with_name("zoo")
DATA = Path(os.environ.get("ZOO_TEST_DATA", ROOT.parent / "shared" / "data")) / "mnist.tar"
REPEATS, BATCH, STEPS = 7, 32, 1875  # one epoch
LEAST_OF_BARE, LEAST_OF_COURSE = 0.9, 4.0


def zoo_throughput() -> float:
    """Images a second as `zoo bench` records them."""
    with tempfile.TemporaryDirectory() as results:
        done = subprocess.run(
            [
                *(ZOO, "bench", "mnist", "--model", "mlp-100", "--dataset", "mnist", "--data-root", DATA),
                *("--max-steps", str(STEPS), "--threads", "1", "--device", "cpu", "--results", results, "--json"),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    return float(json.loads(done.stdout)[0]["measured"]["throughput"])


def loop_throughput(loop: str) -> float:
    """Images a second of one of the loops below, in a process with the zoo's thread settings."""
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "THP_MEM_ALLOC_ENABLE": "1"}
    command = [sys.executable, __file__, loop]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return float(done.stdout)


def run_loop(loop: str) -> float:
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        batches = course_batches(folder) if loop == "course" else bare_batches(folder)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, fused=loop != "course")
    torch.set_flush_denormal(loop == "flushing")
    correct = 0
    began = 0.0
    for step in range(STEPS):
        if step == 3:  # as in the zoo, the first steps warm up
            began = time.perf_counter()
        x, y = next(batches)
        output = net(x)
        loss = nn.functional.cross_entropy(output, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loop == "course":  # which prints the train accuracy of every epoch
            correct += (output.argmax(1) == y).sum().item()
    return (STEPS - 3) * BATCH / (time.perf_counter() - began)


def mnist(folder: str):
    import tarfile

    from torchvision.datasets import MNIST
    from torchvision.transforms import ToTensor

    with tarfile.open(DATA) as archive:
        archive.extractall(folder, filter="data")
    return MNIST(f"{folder}/mnist", download=True, transform=ToTensor())


def bare_batches(folder: str):
    """Indexed from tensors that lie ready in memory."""
    import torch

    data = mnist(folder)
    images, labels = data.data.float().div(255), data.targets

    def batches():
        while True:
            for index in torch.randperm(len(images)).split(BATCH):
                yield images[index], labels[index]

    return batches()


def course_batches(folder: str):
    """As in the course's notebook: a DataLoader that makes a tensor of each image anew."""
    from torch.utils.data import DataLoader

    return iter(DataLoader(mnist(folder), batch_size=BATCH, shuffle=True))


def main() -> int:
    loops = ("bare", "flushing", "course")
    rows = [(zoo_throughput(), *map(loop_throughput, loops)) for _ in range(REPEATS)]
    zoo, bare, flushing, course = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"zoo bench                             {zoo:>8,.0f} images/s")
    print(f"bare loop                             {bare:>8,.0f}")
    print(f"bare loop, denormal numbers flushed   {flushing:>8,.0f}   (as the zoo flushes them; no bound)")
    print(f"course's loop                         {course:>8,.0f}")
    passed = zoo >= LEAST_OF_BARE * bare and zoo >= LEAST_OF_COURSE * course
    print(f"zoo / bare loop {zoo / bare:.2f} (at least {LEAST_OF_BARE})")
    print(f"zoo / course's loop {zoo / course:.2f} (at least {LEAST_OF_COURSE})")
    print("passed" if passed else "FAILED")
    return 0 if passed else 1


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(run_loop(sys.argv[1]))
    else:
        sys.exit(main())
