import numpy as np
import pytest

from streamer.core.histogram import QuantileHistogram


def test_empty_has_no_quantile() -> None:
    histogram = QuantileHistogram()
    assert histogram.quantile(0.5) is None
    assert histogram.minimum is None


def test_quantiles_are_those_of_the_values_within_the_relative_error() -> None:
    values = np.random.default_rng(3).lognormal(5.0, 1.0, 5000)
    histogram = QuantileHistogram(relative_error=0.005)
    for value in values:
        histogram.add(float(value))
    for fraction in (0.01, 0.5, 0.95, 0.99):
        exact = np.quantile(values, fraction, method="inverted_cdf")
        assert histogram.quantile(fraction) == pytest.approx(exact, rel=0.0051)


def test_extremes_are_exact() -> None:
    histogram = QuantileHistogram()
    for value in (352.7777, 12.3456, 401.0001):
        histogram.add(value)
    assert (histogram.quantile(0.0), histogram.quantile(1.0)) == (
        pytest.approx(12.3456, rel=0.005),
        401.0001,
    )
    assert (histogram.minimum, histogram.maximum) == (12.3456, 401.0001)


def test_values_beyond_the_bins_are_counted() -> None:
    histogram = QuantileHistogram()
    for value in (-1.0, 0.0, 1e12):
        histogram.add(value)
    assert histogram.count == 3
    assert histogram.quantile(1.0) == 1e12
    assert histogram.quantile(0.3) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("error", [0.0, 1.0, -0.1])
def test_refuses_an_impossible_error(error: float) -> None:
    with pytest.raises(ValueError, match="expected one in"):
        QuantileHistogram(relative_error=error)


def test_refuses_a_quantile_beyond_one() -> None:
    with pytest.raises(ValueError, match=r"got the quantile 50"):
        QuantileHistogram().quantile(50)
