# SPDX-License-Identifier: Apache-2.0
"""In which order the variants of a round take their turns."""
import random


def rounds(count, items):
    """
    For each of count rounds an order of the items. What a start leaves behind meets the next one, so each is to follow each other as
    often: every second order is drawn by lot, the same ones in each bench, and the next is its reverse.
    """
    lots, order = random.Random(0), list(items)
    for n in range(count):
        if n % 2 == 0:
            lots.shuffle(order)
        else:
            order.reverse()
        yield list(order)
