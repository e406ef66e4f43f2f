# SPDX-License-Identifier: Apache-2.0
"""What is said of a row of figures: percentiles, and a median with its confidence interval, whatever their distribution."""
import math


def percentile(values, part):
    """The value that `part` (0 to 1) of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def median(values):
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def rank_of_bound(n, confidence=0.95):
    """The largest k for which the k-th smallest and the k-th largest of n values enclose the median with that confidence; 0: none does."""
    tail, k = 0.0, 0
    while k < n // 2:
        tail += math.comb(n, k) / 2**n
        if 2 * tail > 1 - confidence:
            break
        k += 1
    return k


def median_interval(values):
    """(median, lower, upper) at 95 %, by the binomial distribution; with fewer than six values the bounds are the extremes."""
    ordered = sorted(values)
    k = max(1, rank_of_bound(len(ordered)))
    return median(ordered), ordered[k - 1], ordered[-k]
