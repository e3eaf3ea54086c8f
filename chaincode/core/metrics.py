"""How good a binary classifier is on rows whose truth is known. Pure; numbers from 0 to 1."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby


def evaluate(truths: Sequence[bool], probabilities: Sequence[float], threshold: float) -> dict[str, float]:
    """Accuracy, sensitivity, specificity, PPV, NPV (of probability >= threshold), AUC and Brier score.

    Raises ValueError unless there are as many probabilities as truths and both classes occur. PPV and NPV of a class
    that is never predicted are 0.
    """
    if len(truths) != len(probabilities) or not 0 < sum(truths) < len(truths):
        raise ValueError("an evaluation needs a probability for each row, and rows of both classes")
    predicted = [probability >= threshold for probability in probabilities]
    true_positive = sum(p and t for p, t in zip(predicted, truths, strict=True))
    true_negative = sum(not p and not t for p, t in zip(predicted, truths, strict=True))
    positives, negatives = sum(truths), len(truths) - sum(truths)
    predicted_positive, predicted_negative = sum(predicted), len(predicted) - sum(predicted)
    return {
        "accuracy": (true_positive + true_negative) / len(truths),
        "sensitivity": true_positive / positives,
        "specificity": true_negative / negatives,
        "ppv": true_positive / predicted_positive if predicted_positive else 0.0,
        "npv": true_negative / predicted_negative if predicted_negative else 0.0,
        "auc": auc(truths, probabilities),
        "brier": sum((p - t) ** 2 for p, t in zip(probabilities, truths, strict=True)) / len(truths),
    }


def auc(truths: Sequence[bool], scores: Sequence[float]) -> float:
    """Area under the ROC curve: how often a positive row scores above a negative one, ties counting half."""
    rank_sum, below = 0.0, 0
    for _, tied in groupby(sorted(zip(scores, truths, strict=True)), key=lambda row: row[0]):
        rows = [truth for _, truth in tied]
        rank_sum += sum(rows) * (below + (len(rows) + 1) / 2)
        below += len(rows)
    positives = sum(truths)
    return (rank_sum - positives * (positives + 1) / 2) / (positives * (len(truths) - positives))
