# SPDX-License-Identifier: Apache-2.0
"""In which order the variants of a round take their turns."""
import random


def square(n):
    """Orders of 0 to n-1 in which each follows each other as often (a Williams design): n of them, or twice n where n is odd."""
    first = [(k + 1) // 2 if k % 2 else (n - k // 2) % n for k in range(n)]
    rows = [[(i + k) % n for i in first] for k in range(n)]
    return rows + [row[::-1] for row in rows] if n % 2 else rows


def rounds(count, items):
    """
    For each of count rounds an order of the items. What a start leaves behind meets the next one, so within the rounds each follows each
    other as often, once there are as many as the square has rows; these come by lot, the same lots in each bench.
    """
    lots, items = random.Random(0), list(items)
    rows = square(len(items))
    for n in range(count):
        if n % len(rows) == 0:
            lots.shuffle(rows)
        yield [items[i] for i in rows[n % len(rows)]]
