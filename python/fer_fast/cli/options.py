"""The options that several commands share, and how they become `Settings`."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args

from fer_fast.config_file import read_config
from fer_fast.settings import (
    PRESETS,
    Balance,
    Device,
    Engine,
    Head,
    Judges,
    Pooling,
    Precision,
    Scoring,
    Settings,
    available_cpus,
)

_DEFAULTS = Settings()


def add_feature_options(parser: argparse.ArgumentParser) -> None:
    """Add what decides the features: presets and files, faces, backbone and device."""
    _add_settings_options(parser)
    _add_data_options(parser)
    _add_backbone_options(parser)
    _add_device_options(parser)


def add_out_option(
    parser: argparse.ArgumentParser,
    dest: str,
    metavar: Literal["FILE", "DIR"],
    description: str,
    default: Path | None = None,
) -> None:
    """Add ``--out``; `Settings` takes it only where `dest` is ``out``."""
    kind = _file if metavar == "FILE" else Path
    parser.add_argument_group("output").add_argument(
        "--out", dest=dest, type=kind, metavar=metavar, default=default, help=description
    )


def _file(name: str) -> Path:
    path = Path(name)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a folder: name a file")
    return path


def _add_settings_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("settings")
    group.add_argument(
        "--preset",
        choices=sorted(PRESETS),
        help="a named set of options; options given beside it override it",
    )
    group.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="a TOML file of options, such as the config.toml that a run with --out writes; it "
        "overrides the preset, and options given beside it override both",
    )


def _add_data_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("data")
    group.add_argument(
        "--data",
        type=Path,
        metavar="PATH",
        help="fer2013.csv (also .gz or .zip), icml_face_data.csv, a folder with train/ and test/, "
        "or a .npz (default: synthetic faces, embedded)",
    )


def _add_backbone_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("backbone")
    group.add_argument(
        "--weights",
        type=Path,
        metavar="PATH",
        help="Keras' ImageNet MobileNetV2 weights without top, .h5 (default: cache, then download)",
    )
    group.add_argument(
        "--size",
        type=int,
        metavar="PX",
        help=f"input height and width in pixels (default: {_DEFAULTS.size})",
    )
    group.add_argument(
        "--taps",
        nargs="+",
        metavar="LAYER",
        help="Keras' names of the layers whose activations are the features, such as "
        f"block_13_expand_relu (default: {' '.join(_DEFAULTS.taps)})",
    )
    group.add_argument(
        "--pooling",
        choices=get_args(Pooling),
        help=f"how activations are averaged over the grid (default: {_DEFAULTS.pooling})",
    )
    group.add_argument(
        "--equalise",
        action=argparse.BooleanOptionalAction,
        help="equalise each face's histogram first (default: no)",
    )
    group.add_argument(
        "--head",
        choices=get_args(Head),
        help="dense: train three dense layers on Training and take their activations "
        f"(default: {_DEFAULTS.head})",
    )
    group.add_argument(
        "--head-epochs",
        type=int,
        metavar="N",
        help=f"passes over Training at most (default: {_DEFAULTS.head_epochs})",
    )


def _add_device_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("device")
    group.add_argument(
        "--device",
        choices=get_args(Device),
        help="auto takes CUDA where it can be used; cuda fails where it cannot "
        f"(default: {_DEFAULTS.device})",
    )
    group.add_argument(
        "--precision",
        choices=get_args(Precision),
        help="arithmetic of the backbone; tf32 and fp16 need CUDA "
        f"(default: {_DEFAULTS.precision})",
    )
    group.add_argument(
        "--batch-size", type=int, metavar="N", help="faces in one call (default: the device's)"
    )


def add_selection_options(parser: argparse.ArgumentParser) -> None:
    """Add what decides the rows to fit on, the colony, its fitness and the final forest."""
    group = parser.add_argument_group("selection")
    group.add_argument(
        "--mirror",
        action=argparse.BooleanOptionalAction,
        help="fit on the mirror image of each Training face too; not with a head (default: no)",
    )
    group.add_argument(
        "--balance",
        choices=get_args(Balance),
        help=f"how the training classes are balanced (default: {_DEFAULTS.balance})",
    )
    numbers: tuple[tuple[str, type, str, str], ...] = (
        ("ants", int, "N", "subsets per iteration"),
        ("iterations", int, "N", "iterations of the colony"),
        ("alpha", float, "A", "exponent of the pheromone"),
        ("beta", float, "B", "exponent of the desirability"),
        ("q0", float, "Q", "probability of taking the best feature instead of drawing one"),
        ("rho", float, "R", "evaporation of the pheromone per iteration"),
        ("min-features", int, "N", "smallest subset"),
        ("max-features", int, "N", "largest subset, 0 for all features"),
        ("time-budget", float, "S", "seconds after which no further evaluation starts"),
        ("fitness-rows", int, "N", "stratified training rows in one evaluation, 0 for all"),
        ("fitness-depth", int, "N", "depth bound of the trees that judge a subset"),
        ("trees", int, "N", "trees in the fitness' forest and in the final one"),
        ("seed", int, "N", "seed of the head, SMOTE, the colony and the forests"),
    )
    unset = {"min-features": 1, "max-features": "half of the features"}
    for name, kind, metavar, description in numbers:
        default = getattr(_DEFAULTS, name.replace("-", "_"))
        if default is None:
            default = unset.get(name, "no limit")
        group.add_argument(
            f"--{name}",
            type=kind,
            metavar=metavar,
            help=f"{description} (default: {default})",
        )
    group.add_argument(
        "--fitness",
        choices=get_args(Engine),
        help=f"the forest that judges a subset (default: {_DEFAULTS.fitness})",
    )
    group.add_argument(
        "--scoring",
        choices=get_args(Scoring),
        help=f"what an evaluation maximises (default: {_DEFAULTS.scoring})",
    )
    group.add_argument(
        "--judged-on",
        choices=get_args(Judges),
        help="the rows that score a subset; out-of-bag are Training rows, and need --balance none "
        f"and no head (default: {_DEFAULTS.judged_on})",
    )
    group.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help=f"threads; the result does not depend on it (default: {available_cpus()} CPUs)",
    )


def read_settings(options: argparse.Namespace) -> Settings:
    """Return the settings that the options ask for.

    A later one overrides an earlier one: defaults, preset, file, options.

    Raises
    ------
    ParameterError
        If one is outside its range, or the file cannot be used.
    """
    chosen: dict[str, Any] = dict(PRESETS.get(options.preset, {}))
    if options.config is not None:
        chosen |= read_config(options.config)
    for field in fields(Settings):
        value = getattr(options, field.name, None)
        if value is not None:
            chosen[field.name] = tuple(value) if isinstance(value, list) else value
    return Settings(**chosen)
