"""Autocorrelation of many series at once, and the two ways of taking off what is not seasonal. Arrays only, NaN-padded."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from domain.seasonality.regular_grid import Bools, Floats, Ints

#: Remainders below this share of the largest value are rounding, not signal.
ROUNDING = 1e-11
CURVE_ROUNDING = 1e-10


def compute_acf(values: Floats, lags: int) -> Floats:
    """(n, lags + 1) autocorrelations of the rows by FFT, NaN counted as the mean; 0 for a constant row.

    The sum at lag k is divided by its own number of terms, so that long lags are not shrunk.
    """
    centred, known = _centre(values)
    size = 2 ** int(np.ceil(np.log2(values.shape[1] + lags + 1)))
    products = np.fft.irfft(np.abs(np.fft.rfft(centred, size, axis=1)) ** 2, size, axis=1)[:, : lags + 1]
    pairs = np.fft.irfft(np.abs(np.fft.rfft(known.astype(float), size, axis=1)) ** 2, size, axis=1)[:, : lags + 1]
    mean_product = products / np.maximum(pairs, 1.0)
    return np.asarray(mean_product / np.where(mean_product[:, :1] > 1e-300, mean_product[:, :1], np.inf))


def compute_acf_at(values: Floats, lag: Ints) -> Floats:
    """(n,) correlation of each row with itself `lag` steps earlier, one lag per row; 0 for lag 0 or a constant row."""
    centred, known = _centre(values)
    earlier, both = _shift(centred, lag), known & _shift(known, lag)
    product = (centred * earlier * both).sum(axis=1)
    spread = np.sqrt((centred**2 * both).sum(axis=1) * (earlier**2 * both).sum(axis=1))
    return np.where((lag > 0) & (spread > 1e-300), product / np.where(spread > 1e-300, spread, 1.0), 0.0)


def subtract_curve(values: Floats) -> Floats:
    """The rows minus their least-squares parabola."""
    time = np.linspace(-1.0, 1.0, values.shape[1])
    basis = np.stack([np.ones_like(time), time, time**2], axis=1)
    known = ~np.isnan(values)
    gram = np.einsum("nl,lf,lg->nfg", known.astype(float), basis, basis, optimize=True) + 1e-9 * np.eye(3)
    moment = np.where(known, values, 0.0) @ basis
    rest = values - np.linalg.solve(gram, moment[..., None])[..., 0] @ basis.T
    size = np.where(known, np.abs(values), 0.0).max(axis=1, keepdims=True, initial=0.0)
    return np.where(np.abs(rest) <= CURVE_ROUNDING * size, 0.0, rest)


def subtract_moving_mean(values: Floats, window: Ints) -> Floats:
    """The rows minus their centred moving mean of `window` cells, one window per row; shorter at the ends."""
    known = ~np.isnan(values)
    sums = np.pad(np.cumsum(np.where(known, values, 0.0), axis=1), ((0, 0), (1, 0)))
    counts = np.pad(np.cumsum(known, axis=1), ((0, 0), (1, 0)))
    column = np.arange(values.shape[1])[None, :]
    half = np.maximum(window, 1)[:, None]
    low = np.maximum(column - half // 2, 0)
    high = np.minimum(column + (half + 1) // 2, values.shape[1])
    total = np.take_along_axis(sums, high, axis=1) - np.take_along_axis(sums, low, axis=1)
    number = np.take_along_axis(counts, high, axis=1) - np.take_along_axis(counts, low, axis=1)
    rest = values - total / np.maximum(number, 1)
    size = np.where(known, np.abs(values), 0.0).max(axis=1, keepdims=True, initial=0.0)
    return np.where(np.abs(rest) <= ROUNDING * size, 0.0, rest)


def subtract_phase_means(values: Floats, period: Ints) -> Floats:
    """The rows minus the mean of all cells of equal phase, one period per row; a period of 0 leaves a row as it is."""
    rest = values.copy()
    for length in np.unique(period[period > 0]):
        mask = period == length
        cycles = -(-values.shape[1] // int(length))
        padded = np.pad(values[mask], ((0, 0), (cycles * int(length) - values.shape[1], 0)), constant_values=np.nan)
        folded = padded.reshape(len(padded), cycles, int(length))
        known = ~np.isnan(folded)
        means = np.where(known, folded, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        rest[mask] = (folded - means[:, None, :]).reshape(len(padded), -1)[:, -values.shape[1] :]
    return rest


def _centre(values: Floats) -> tuple[Floats, Bools]:
    known = ~np.isnan(values)
    mean = np.where(known, values, 0.0).sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
    return np.where(known, values - mean, 0.0), known


def _shift(array: npt.NDArray[Any], lag: Ints) -> npt.NDArray[Any]:
    source = np.arange(array.shape[1])[None, :] - lag[:, None]
    return np.where(source >= 0, np.take_along_axis(array, np.maximum(source, 0), axis=1), np.zeros((), array.dtype))
