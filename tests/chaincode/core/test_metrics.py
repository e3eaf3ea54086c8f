from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, brier_score_loss, precision_score, recall_score, roc_auc_score

from chaincode.core import metrics

# Few distinct probabilities, so that ties are common.
ROWS = st.lists(st.tuples(st.booleans(), st.integers(0, 8).map(lambda eighths: eighths / 8)), min_size=2).filter(
    lambda rows: len({truth for truth, _ in rows}) == 2
)


@given(ROWS, st.integers(0, 8).map(lambda eighths: eighths / 8))
def test_figures_are_those_of_scikit_learn(rows: list[tuple[bool, float]], threshold: float) -> None:
    truths, probabilities = [truth for truth, _ in rows], [probability for _, probability in rows]
    predicted = [probability >= threshold for probability in probabilities]
    negated_truths, negated = [not each for each in truths], [not each for each in predicted]
    assert metrics.evaluate(truths, probabilities, threshold) == pytest.approx(
        {
            "accuracy": accuracy_score(truths, predicted),
            "sensitivity": recall_score(truths, predicted),
            "specificity": recall_score(negated_truths, negated),
            "ppv": precision_score(truths, predicted, zero_division=0),
            "npv": precision_score(negated_truths, negated, zero_division=0),
            "auc": roc_auc_score(truths, probabilities),
            "brier": brier_score_loss(truths, probabilities),
        }
    )


def test_a_probability_at_the_threshold_counts_as_positive() -> None:
    assert metrics.evaluate([True, False], [0.5, 0.4], 0.5)["sensitivity"] == 1


@pytest.mark.parametrize(("truths", "probabilities"), [([], []), ([True], [0.5]), ([True, False], [0.5])])
def test_rows_that_allow_no_evaluation_are_refused(truths: list[bool], probabilities: list[float]) -> None:
    with pytest.raises(ValueError, match="both classes"):
        metrics.evaluate(truths, probabilities, 0.5)
