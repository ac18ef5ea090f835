"""The arguments and options of `zoo bench`, in the order of its help page."""

from __future__ import annotations

import typer

from zoo_core.cli import completion

TASKS = typer.Argument(
    metavar="[TASK]...",
    help="Tasks to run: names, or patterns such as 'a*'. See `zoo list`.",
    autocompletion=completion.complete_task,
)
MODEL = typer.Option(
    "--model",
    "-m",
    help="Model to train: a name, a pattern such as 'cnn*', or ./FILE.py:NAME. Repeatable. Default: all of the task.",
    autocompletion=completion.complete_model,
)
NAME = typer.Option(
    "--name", help="Name of the one --model FILE.py:NAME. Default: file, class, and a hash of where the file lies."
)
ALL = typer.Option("--all", help="Run every registered pair of task and model.")
CROSS = typer.Option("--cross", help="With --all: run every pair whose kind and input shape match.")
EXCLUDE = typer.Option(
    "--exclude",
    help="Leave out a task or a model: a name, or a pattern such as 'resnet-*'. Repeat for several.",
    autocompletion=completion.complete_excluded,
)
DATASET = typer.Option(
    "--dataset",
    "-d",
    help="Data set. Default: the task's first, or with --offline its first offline one.",
    autocompletion=completion.complete_dataset,
)
DEVICE = typer.Option(
    "--device", help="cpu, cuda, cuda:1 ..., or auto for the first accelerator. Repeat for several. Default: auto."
)
SEEDS = typer.Option("--seeds", help="Number of seeds (3) or list of seeds (0,3,7).")
EPOCHS = typer.Option("--epochs", min=0, help="Passes over the training data. Default: the recipe's.")
MAX_STEPS = typer.Option("--max-steps", min=1, help="Optimizer steps. Default: the recipe's.")
BUDGET = typer.Option("--budget", help="Training time, such as 60s or 10m, instead of epochs or steps. Default: none.")
PRESET = typer.Option("--preset", help="quick: use each task's short recipe. Default: the full recipe.")
SETTING = typer.Option(
    "--set", help="Change a recipe key: key=value. Several values, as in lr=0.1,0.01: a trial of each. Repeatable."
)
OFFLINE = typer.Option("--offline", help="Use data sets that need no download. Refuse the network in trials.")
DTYPE = typer.Option("--dtype", help="float32, or bf16 for autocast. Default: the recipe's `precision`.")
COMPILE = typer.Option("--compile", help="Compile models with torch.compile.")
JOBS = typer.Option(
    "--jobs", "-j", min=1, help="Trials that run at a time, each on cores and a GPU of its own. Default: 1."
)
SHARE_DEVICE = typer.Option(
    "--share-device", help="With --jobs: let trials share a GPU. Their times are then marked as unreliable."
)
MAX_MEMORY = typer.Option(
    "--max-memory", help="Memory that a trial may take, such as 4g; beyond it, the trial ends as out_of_memory."
)
KIND = typer.Option(
    "--kind",
    help="Only tasks of this kind, such as regression. Without a TASK: all of them. Repeat for several.",
    autocompletion=completion.complete_kind,
)
LIMIT = typer.Option(
    "--limit", help="Run as many trials as fit into this time, such as 10m: one seed of everything before the second."
)
SWEEP = typer.Option("--sweep", metavar="FILE", help="Read options from a TOML file; those of the call come on top.")
EXECUTOR = typer.Option(
    "--executor",
    help="What runs the trials: an executor of `zoo list executors`. Default: local, this machine.",
    autocompletion=completion.complete_executor,
)
ADDRESS = typer.Option("--address", help="Where the executor is, such as auto or the address of a cluster.")
THREADS = typer.Option("--threads", min=0, help="CPU threads of a trial. 0: chosen by model size.")
TIMEOUT = typer.Option(
    "--timeout",
    help="Time limit of a trial, such as 10m, or none. Default: ten times its estimate, at least ten minutes.",
)
WEIGHTS = typer.Option(
    "--weights",
    metavar="FILE|none",
    help="Initial weights of the one --model; none: random weights. Default: the model's own.",
)
SAVE = typer.Option("--save", help="Save each trained model, for `zoo eval` and `zoo predict`.")
ONNXRUNTIME = typer.Option(
    "--onnxruntime", help="Also measure the latency of each model exported to ONNX, in onnxruntime on the CPU."
)
INSPECT = typer.Option(
    "--inspect", help="Also draw what each trained model of images does inside: Grad-CAM, feature maps."
)
PROFILE = typer.Option(
    "--profile",
    metavar="[time|memory]",
    help="Also profile some training steps after each trial: time (the default) or memory of the operators.",
)
SANDBOX = typer.Option("--sandbox", help="Run trials in bubblewrap: no network, no home, limited memory. Linux only.")
LOG = typer.Option(
    "--log",
    metavar="NAME[=TARGET]",
    help="Also write the trials to a tracker: a logger of `zoo list loggers`. Repeat for several.",
    autocompletion=completion.complete_logger,
)
YES = typer.Option("--yes", help="Run also more than 200 trials that lists of values in --set make.")
DRY_RUN = typer.Option("--dry-run", help="Print the trials that would run, and exit.")
FORCE = typer.Option("--force", help="Also run trials that are recorded already.")
RETRY_FAILED = typer.Option("--retry-failed", help="Also run trials that are recorded as failed.")
RECORDS_AS_JSON = typer.Option("--json", help="Print the records as JSON instead of a summary.")
