"""Hyper-parameters that several kinds share. Torch-free."""

from __future__ import annotations

from types import MappingProxyType

from zoo_core.recipe import GAMMA, MILESTONES
from zoo_core.specs import Param, Params

# The keys that `zoo_core.train.supervised_steps` reads.
SUPERVISED: Params = MappingProxyType(
    {
        "batch_size": Param(default=32, help="examples per forward pass; see `accumulate`", minimum=1),
        "accumulate": Param(
            default=1, unset=1, help="batches per step: their gradients are averaged over all examples", minimum=1
        ),
        "optimizer": Param(
            default="sgd",
            choices=("sgd", "adam", "adamw", "rmsprop", "adagrad", "momentum", "nesterov", "lbfgs"),
            help="torch's; momentum and nesterov: SGD with `momentum`, plain or Nesterov's; lbfgs: with a line search",
        ),
        "lr": Param(default=0.01, help="highest learning rate of the schedule", minimum=0.0),
        "momentum": Param(default=0.9, help="momentum of SGD", minimum=0.0),
        "nesterov": Param(default=False, help="Nesterov momentum in SGD"),
        "weight_decay": Param(default=0.0, minimum=0.0),
        "schedule": Param(
            default="constant",
            choices=("constant", "cosine", "linear", "step", "one-cycle"),
            help="how the learning rate changes; cosine and linear decay to 0, step at `milestones`, one-cycle rises "
            "and falls",
        ),
        "warmup": Param(
            default=0.0,
            help="share of the training in which the learning rate rises from 0; of one-cycle: from lr / 25, and 0 "
            "means 0.3",
            minimum=0.0,
            maximum=1.0,
        ),
        "milestones": Param(
            default=MILESTONES,
            unset=MILESTONES,
            help="shares of the training at which the schedule `step` multiplies the learning rate by `gamma`",
            minimum=0.0,
            maximum=1.0,
        ),
        "gamma": Param(default=GAMMA, unset=GAMMA, help="factor of the schedule `step` at each milestone", minimum=0.0),
        "clip_norm": Param(default=0.0, help="largest gradient norm; 0: no clipping", minimum=0.0),
        "ema": Param(
            default=0.0,
            unset=0.0,
            help="decay per step of a moving average of the weights, which is evaluated and saved; 0: no average",
            minimum=0.0,
            maximum=1.0,
        ),
    }
)

# Each image of a batch draws its own parameters, uniformly. Mixup and cutmix draw one parameter per batch.
AUGMENTATION: Params = MappingProxyType(
    {
        "crop": Param(default=0, help="shift by up to this many pixels of the data; borders mirrored", minimum=0),
        "flip": Param(default=False, help="mirror images with probability 0.5"),
        "rotate": Param(default=0.0, help="rotate by up to this many degrees", minimum=0.0),
        "zoom": Param(default=0.0, help="zoom in or out by up to this share, at most 0.9", minimum=0.0),
        "shear": Param(default=0.0, help="shear by up to this many degrees", minimum=0.0),
        "recolour": Param(default=False, help="permute the colour channels with probability 0.5"),
        "contrast": Param(default=0.0, help="change the contrast by up to this share", minimum=0.0),
        "brightness": Param(default=0.0, help="change the brightness by up to this share", minimum=0.0),
        "blur": Param(default=0.0, help="Gaussian blur with a std of up to this many pixels", minimum=0.0),
        "mixup": Param(default=0.0, help="alpha of mixup's Beta(alpha, alpha); 0: no mixup", minimum=0.0),
        "cutmix": Param(default=0.0, help="alpha of cutmix's Beta(alpha, alpha); 0: no cutmix", minimum=0.0),
    }
)

NORMALIZE = Param(
    default=True,
    help="normalise the channels by the train split's mean and std, or the model's own; false: scale to [0, 1]",
)

CLASS_LOSS = Param(
    default="cross-entropy",
    unset="cross-entropy",
    choices=("cross-entropy", "focal", "bce", "mse"),
    help="focal: with focus 2; bce: one sigmoid per class; mse: of the probabilities, the Brier score",
)
