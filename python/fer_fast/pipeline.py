"""The one place that knows the order of the stages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_fast.backbone import (
    BackboneConfig,
    Session,
    cached_features,
    cached_model,
    open_session,
    require_cuda,
    resolve_weights,
)
from fer_fast.balance import balance_classes
from fer_fast.datasets import LABELS, FaceDataset, Split, load_dataset, shared_across_splits
from fer_fast.errors import DataError, ParameterError
from fer_fast.evaluation import HeldOutScores, evaluate
from fer_fast.head import HeadConfig, cached_head_model
from fer_fast.model import SubsetClassifier, fit_classifier
from fer_fast.progress import SILENT, Reporter
from fer_fast.sampling import stratified_parts
from fer_fast.selection import Colony, Evaluation, ForestFitness
from fer_fast.selection.desirability import anova_f, scaled_scores
from fer_fast.settings import Settings
from fer_fast.storage import remove_abandoned


class SelectionInterrupted(KeyboardInterrupt):
    """Ctrl-C during selection; carries what the colony had found.

    Attributes
    ----------
    colony : Colony
        As the interrupt left it.
    n_features : int
        How many features there were to choose from.
    """

    def __init__(self, colony: Colony, n_features: int) -> None:
        super().__init__()
        self.colony = colony
        self.n_features = n_features


@dataclass(frozen=True)
class Search:
    """What the colony did and chose.

    Attributes
    ----------
    subset : ndarray of shape (n_selected,), int64
        The best subset found, ascending.
    score : float
        The score by which it was chosen.
    history : sequence of mappings
        One per iteration, as `Colony.history` describes.
    stopped_by : str
        What ended the search, as `Colony.run` says it.
    """

    subset: NDArray[np.int64]
    score: float
    history: Sequence[Mapping[str, Any]]
    stopped_by: str


@dataclass(frozen=True)
class PipelineResult:
    """What a run found.

    Attributes
    ----------
    settings : Settings
    dataset : FaceDataset
    device : str
        The device that computed the features.
    model_hash : str
        SHA-256 of the ONNX file, in hexadecimal.
    classifier : SubsetClassifier
        The final forest on the colony's subset.
    evaluation : HeldOutScores
        Its scores on PrivateTest.
    baselines : dict of str to HeldOutScores
        ``all_features``, and as many features as the colony chose: ``k_best``, the best by ANOVA F,
        and ``random``, drawn by chance.
    search : Search
        What the colony did and chose.
    timings : dict of str to float
        Seconds per stage.
    """

    settings: Settings
    dataset: FaceDataset
    device: str
    model_hash: str
    classifier: SubsetClassifier
    evaluation: HeldOutScores
    baselines: dict[str, HeldOutScores]
    search: Search
    timings: dict[str, float]


@dataclass
class _Clock:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start


@dataclass(frozen=True)
class FaceFeatures:
    """The features of every face of a data set, and what computed them.

    Attributes
    ----------
    dataset : FaceDataset
    X : ndarray of shape (n_faces, n_features), float32
        Rows as in the data set.
    session : Session
    """

    dataset: FaceDataset
    X: NDArray[np.float32]
    session: Session


def require_features(settings: Settings) -> None:
    """Raise what the settings of backbone and device would raise only after minutes of work.

    Raises
    ------
    ParameterError
        If there is no such backbone.
    DeviceError
        If CUDA is asked for and cannot be used.
    """
    _backbone_config(settings)
    if settings.device == "cuda" or settings.precision != "fp32":
        require_cuda()


def frozen_model(settings: Settings, *, reporter: Reporter = SILENT) -> Path:
    """Return the path of the exported backbone, without a head."""
    weights = resolve_weights(settings.weights, reporter=reporter)
    return cached_model(weights, _backbone_config(settings), reporter=reporter)


def _backbone_config(settings: Settings) -> BackboneConfig:
    return BackboneConfig(
        size=settings.size,
        taps=settings.taps,
        pooling=settings.pooling,
        equalise=settings.equalise,
    )


def model_with_head(
    backbone: Path,
    session: Session,
    dataset: FaceDataset,
    settings: Settings,
    *,
    reporter: Reporter = SILENT,
) -> Path:
    """Return the path of the backbone with the head that the settings ask for."""
    return cached_head_model(
        backbone,
        session,
        dataset,
        HeadConfig(
            channels=_backbone_config(settings).channels,
            epochs=settings.head_epochs,
            seed=settings.seed,
        ),
        batch_size=settings.batch_size,
        reporter=reporter,
    )


def extract(
    settings: Settings,
    *,
    dataset: FaceDataset | None = None,
    reporter: Reporter = SILENT,
    clock: _Clock | None = None,
) -> FaceFeatures:
    """Run the stages from the data set to its features.

    Parameters
    ----------
    settings : Settings
    dataset : FaceDataset or None
        What ``settings.data`` names, if it was read before.
    reporter : Reporter
    """
    require_features(settings)
    clock = clock or _Clock()
    if freed := remove_abandoned():
        reporter.note(f"cache: removed {freed / 1e6:,.1f} MB that a killed run had left behind")
    with clock.stage("data"):
        if dataset is None:
            dataset = load_dataset(settings.data, reporter=reporter)
    with clock.stage("model"):
        model = frozen_model(settings, reporter=reporter)
        session = open_session(
            model, device=settings.device, precision=settings.precision, reporter=reporter
        )
    if settings.head != "none":
        with clock.stage("head"):
            model = model_with_head(model, session, dataset, settings, reporter=reporter)
            session = open_session(model, device=settings.device, precision=settings.precision)
    with clock.stage("features"):
        X = cached_features(session, dataset, batch_size=settings.batch_size, reporter=reporter)
    return FaceFeatures(dataset, X, session)


def mirrored_features(
    features: FaceFeatures, settings: Settings, *, reporter: Reporter = SILENT
) -> NDArray[np.float32]:
    """Return the features of the Training faces' mirror images, from the cache if they are there.

    Returns
    -------
    ndarray of shape (n_training, n_features), float32
        Rows as in ``features.dataset.rows(Split.TRAINING)``.
    """
    mirror_images = features.dataset.mirrored(Split.TRAINING)
    reporter.note(f"mirror: {len(mirror_images):,} mirror images join the Training faces")
    return cached_features(
        features.session, mirror_images, batch_size=settings.batch_size, reporter=reporter
    )


def run_pipeline(
    settings: Settings,
    *,
    keep_selection: Callable[[NDArray[np.int64], int], None] | None = None,
    reporter: Reporter = SILENT,
) -> PipelineResult:
    """Run every stage: fit on Training, decide on PublicTest, report on PrivateTest.

    Parameters
    ----------
    settings : Settings
    keep_selection : callable or None
        Given the subset and the number of features there were as soon as the search is over: what
        comes after takes long enough to be interrupted.
    reporter : Reporter

    Raises
    ------
    FerFastError
        If the user can mend what went wrong.
    SelectionInterrupted
        On Ctrl-C while the colony searches.
    """
    clock = _Clock()
    features = extract(settings, reporter=reporter, clock=clock)
    dataset, X = features.dataset, features.X
    y = dataset.labels.astype(np.int64)
    training, validation, test = (dataset.rows(split) for split in Split)
    shared = shared_across_splits(dataset)[test]
    if shared.all():
        raise DataError(
            f"{dataset.source} has no test face whose exact image stands in its own split alone: "
            "give a data set whose test faces are not its training faces"
        )

    if settings.mirror:
        with clock.stage("mirror"):
            X_mirrored = mirrored_features(features, settings, reporter=reporter)
    with clock.stage("balance"):
        X_training, y_training = X[training], y[training]
        if settings.mirror:
            X_training = np.concatenate([X_training, X_mirrored])
            y_training = np.tile(y_training, 2)
        F = anova_f(X_training, y_training)
        X_balanced, y_balanced = balance_classes(
            X_training,
            y_training,
            settings.balance,
            random_state=settings.seed,
            n_jobs=settings.jobs,
            class_names=LABELS,
            reporter=reporter,
        )
    with clock.stage("selection"):
        fitness = make_fitness((X_balanced, y_balanced), (X[validation], y[validation]), settings)
        search = _search(scaled_scores(F), fitness, settings, reporter)
    if keep_selection is not None:
        keep_selection(search.subset, X.shape[1])

    X_test, y_test = X[test], y[test]

    def fit_and_evaluate(subset: NDArray[np.int64]) -> tuple[SubsetClassifier, HeldOutScores]:
        classifier = fit_classifier(
            X_balanced,
            y_balanced,
            subset,
            n_estimators=settings.trees,
            random_state=settings.seed,
            n_jobs=settings.jobs,
        )
        return classifier, evaluate(y_test, classifier.predict(X_test), shared, LABELS)

    k, n_features = len(search.subset), X.shape[1]
    ranking = np.argsort(-np.nan_to_num(F, posinf=np.inf), kind="stable")
    drawn = np.random.default_rng(settings.seed).choice(n_features, k, replace=False)
    others = {
        "all_features": np.arange(n_features),
        "k_best": np.sort(ranking[:k]),
        "random": np.sort(drawn),
    }
    with reporter.task("fitting the final forests", 1 + len(others), "forests") as task:
        with clock.stage("classifier"):
            classifier, evaluation = fit_and_evaluate(search.subset)
            task.advance(status="chosen features")
        with clock.stage("baselines"):
            baselines = {}
            for name, columns in others.items():
                baselines[name] = fit_and_evaluate(columns)[1]
                task.advance(status=name.replace("_", " "))
    return PipelineResult(
        settings=settings,
        dataset=dataset,
        device=features.session.device,
        model_hash=features.session.model_digest,
        classifier=classifier,
        evaluation=evaluation,
        baselines=baselines,
        search=search,
        timings=clock.seconds,
    )


def make_fitness(
    training: tuple[NDArray[np.float32], NDArray[np.int64]],
    validation: tuple[NDArray[np.float32], NDArray[np.int64]],
    settings: Settings,
) -> ForestFitness:
    """Return what judges a subset, given the rows and labels of Training and of PublicTest."""
    X, y = training
    rows = _fitness_rows(y, settings)
    X_scored, y_scored = validation if settings.judged_on == "public-test" else (None, None)
    return ForestFitness(
        X[rows],
        y[rows],
        X_scored,
        y_scored,
        engine=settings.fitness,
        n_estimators=settings.trees,
        scoring=settings.scoring,
        max_depth=settings.fitness_depth,
        random_state=settings.seed,
        # Threads that no ant needs grow an evaluation's trees.
        n_jobs=max(1, settings.jobs // settings.ants),
    )


def make_colony(desirability: NDArray[np.float64], settings: Settings) -> Colony:
    """Return a colony that has not yet searched."""
    n_features = len(desirability)
    min_features = min(settings.min_features or 1, n_features)
    largest = settings.max_features or n_features
    if settings.max_features is None:
        largest = max(min_features, (n_features + 1) // 2)
    return Colony(
        desirability,
        n_ants=settings.ants,
        alpha=settings.alpha,
        beta=settings.beta,
        q0=settings.q0,
        rho=settings.rho,
        min_features=min_features,
        max_features=min(largest, n_features),
        seed=settings.seed,
    )


def _fitness_rows(y: NDArray[np.int64], settings: Settings) -> NDArray[np.intp] | slice:
    if settings.fitness_rows == 0 or settings.fitness_rows >= len(y):
        # A slice is no copy of what may be a gigabyte.
        return slice(None)
    try:
        rows, _ = stratified_parts(y, settings.fitness_rows, random_state=settings.seed)
    except ParameterError as error:
        raise ParameterError(f"fitness_rows is {settings.fitness_rows}: {error}") from error
    return np.sort(rows)


def _search(
    desirability: NDArray[np.float64],
    fitness: ForestFitness,
    settings: Settings,
    reporter: Reporter,
) -> Search:
    colony = make_colony(desirability, settings)
    if settings.time_budget is not None:
        fitness.deadline = time.monotonic() + settings.time_budget
    with reporter.task("searching", settings.ants * settings.iterations, "ants") as task:
        settled = 0

        def report(event: Evaluation) -> None:
            nonlocal settled
            done = event.iteration * event.n_ants + event.settled
            status = f"iteration {event.iteration + 1}/{settings.iterations}"
            if event.best_score is not None:
                status += f" · best {event.best_score:.4f} with {event.best_size:,} features"
            task.advance(done - settled, f"{status} · {event.cache_hits} cached")
            settled = done

        stopped_by = colony.run(
            fitness,
            n_iterations=settings.iterations,
            n_jobs=settings.jobs,
            time_budget=settings.time_budget,
            callback=report,
            interrupt_grace=1.0,
        )
    if stopped_by == "interrupted":
        # Evaluations that the colony left behind would keep their cores busy.
        fitness.deadline = time.monotonic()
        raise SelectionInterrupted(colony, len(desirability))
    if colony.best_subset is None or colony.best_score is None:
        raise ParameterError(
            f"time_budget is {settings.time_budget:g} s, which ended before the first evaluation: "
            "give it more"
        )
    return Search(colony.best_subset, colony.best_score, colony.history, stopped_by)
