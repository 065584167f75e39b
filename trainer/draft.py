"""What a version is made of: its manifest, golden digits and report."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np

from registry import store
from registry.golden import Golden
from registry.manifest import DataFile, Manifest, Metrics, Strictness, Tensor, labels_of
from registry.rules import Floats
from trainer import coverage, evaluate, graph, models, report
from trainer.loop import Trained
from trainer.loss import UNITS
from trainer.measure import Measured, Split, Vote
from trainer.mnist import Mnist
from trainer.recipe import Recipe
from trainer.robustness import Robustness

_GOLDEN, _HARD = 32, 9


def manifest(
    recipe: Recipe,
    name: str,
    trained: Trained,
    metrics: Mapping[Split, Metrics],
    mnist: Mnist,
    *,
    temperature: float,
    weight: float,
    thresholds: dict[Strictness, float] | None = None,
) -> Manifest:
    """A manifest whose version and hashes are still to be filled in by `publish`."""
    labels, origin = labels_of(name), trained.origin
    return Manifest(
        name=name,
        version=1,
        sha256="0" * 64,
        files={},
        input=Tensor(name="INPUT__0", shape=[1, 28, 28], meaning="pixels in 0..1, white ink on black"),
        output=Tensor(name="OUTPUT__0", shape=[len(labels)], meaning="logits, one a label"),
        labels=list(labels),
        parameters=models.parameters(trained.module),
        metrics={str(split): figures for split, figures in metrics.items()},
        temperature=temperature,
        weight=weight,
        thresholds=thresholds or {},
        recipe=recipe.model_dump(mode="json"),
        data=[DataFile(name=name, sha256=digest) for name, digest in mnist.sha256.items()],
        torch=origin.torch,
        commit=origin.commit,
        seconds=round(trained.seconds, 1),
        device=origin.device,
        created=datetime.now(UTC).replace(microsecond=0),
    )


def files(
    recipe: Recipe,
    measured: Measured,
    vote: Vote,
    robust: Robustness,
    mnist: Mnist,
    more: Mapping[str, Any] | None = None,
) -> dict[str, bytes]:
    """Every file of a version but its manifest, by its path within it; `more` is added to the report's figures."""
    test = measured.chances["test"]
    held = golden(measured, mnist)
    counts = evaluate.confusion(test.argmax(1), mnist.test_labels)
    title = f"{measured.name}, recipe {recipe.name}"
    return {
        store.MODEL_FILE: measured.model,
        store.GRAPH_FILE: graph.dump(measured.trained.module, measured.model, held),
        store.GOLDEN_FILE: held.dump(),
        "report/metrics.json": report.dump({**figures(recipe, measured, vote, robust, mnist), **(more or {})}),
        "report/curves.png": report.curves(
            title, measured.trained.history, UNITS[recipe.models[measured.name].loss.name]
        ),
        "report/confusion.png": report.confusion(title, counts),
        "report/mistakes.png": report.mistakes(title, mnist.test_pictures, test, mnist.test_labels),
        **pictures_of_vote(recipe, measured.name, test, vote, robust, mnist),
    }


def figures(recipe: Recipe, measured: Measured, vote: Vote, robust: Robustness, mnist: Mnist) -> dict[str, Any]:
    """What `report/metrics.json` says."""
    test, truth = measured.chances["test"], mnist.test_labels
    counts = evaluate.confusion(test.argmax(1), truth)
    together = figures_of_vote(recipe, vote, robust, mnist)
    return {
        "model": measured.name,
        "recipe": recipe.name,
        "seed": recipe.seed,
        "parameters": models.parameters(measured.trained.module),
        "multiply_adds": models.multiply_adds(measured.trained.module),
        "temperature": measured.temperature,
        "weight": measured.weight,
        "validation": measured.metrics["validation"].model_dump(),
        "test": {
            **measured.metrics["test"].model_dump(),
            "classes": [asdict(one) for one in evaluate.by_class(counts)],
            "confusion": counts.tolist(),
        },
        "data": {
            "training": len(mnist.training_labels),
            "test": {mnist.source: len(truth)},
            "further": {one.source: len(one.labels) for one in mnist.further},
        },
        "further": {source: found.model_dump() for source, found in measured.further.items()},
        "vote": together["vote"],
        "coverage": {
            "model": [asdict(row) for row in coverage.coverage(test, truth)],
            "vote": together["coverage"],
        },
        "corruptions": {
            "model": {
                **robust.voters[measured.name],
                "mean": robust.mean(measured.name),
                "unseen": robust.unseen(measured.name),
            },
            "vote": together["corruptions"],
        },
        "history": [asdict(epoch) for epoch in measured.trained.history],
    }


def figures_of_vote(recipe: Recipe, vote: Vote, robust: Robustness, mnist: Mnist) -> dict[str, Any]:
    """What `report/metrics.json` says of the vote: its figures, and the vote's side of coverage and corruptions."""
    return {
        "vote": {
            "models": vote.models,
            "default": recipe.vote.rule,
            **{
                split: {
                    **{rule: metrics.model_dump() for rule, metrics in rules.items()},
                    "unanimous_errors": vote.unanimous_errors[split],
                }
                for split, rules in vote.rules.items()
            },
        },
        "coverage": [asdict(row) for row in coverage.coverage(vote.test[recipe.vote.rule], mnist.test_labels)],
        "corruptions": {**robust.vote, "mean": robust.mean(), "unseen": robust.unseen()},
    }


def pictures_of_vote(
    recipe: Recipe, name: str, test: Floats, vote: Vote, robust: Robustness, mnist: Mnist
) -> dict[str, bytes]:
    """The report's pictures of a model beside the vote; `test` are the model's probabilities [N, 10]."""
    title, rule = f"{name}, recipe {recipe.name}", recipe.vote.rule
    return {
        "report/coverage.png": coverage.curves(
            f"{title}: test digits answered, the least sure withheld",
            {"model": test, f"vote: {rule}": vote.test[rule]},
            mnist.test_labels,
        ),
        "report/corruptions.png": report.corruptions(title, mnist.test_pictures, robust.voters[name], robust.vote),
    }


def golden(measured: Measured, mnist: Mnist) -> Golden:
    """Clean test digits, the hardest ones, a blank, a full and a noise picture, with what `model.pt` gives for them."""
    truth = mnist.test_labels
    sure = measured.chances["test"][np.arange(len(truth)), truth]
    hard = np.argsort(sure, kind="stable")[:_HARD]
    rest = np.setdiff1d(np.arange(len(truth)), hard)
    clean = rest[np.linspace(0, len(rest) - 1, _GOLDEN - _HARD - 3).astype(int)]
    noise = np.random.default_rng(0).integers(0, 256, (1, 28, 28), np.uint8)
    made = [np.zeros((1, 28, 28), np.uint8), np.full((1, 28, 28), 255, np.uint8), noise]
    pictures = np.concatenate([mnist.test_pictures[clean], mnist.test_pictures[hard], *made])
    return Golden(evaluate.scaled(pictures), evaluate.logits(measured.model, pictures))
