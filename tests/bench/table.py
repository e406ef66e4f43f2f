# SPDX-License-Identifier: Apache-2.0
"""Lines for people; the figures themselves are in the JSON file."""


def say(text):
    print(text, flush=True)


def heading(text):
    say(f"\n{text}\n{'':50} {'ms':>8} {'ratio':>6}  {'added':>7} {'(low    high)':>15}  {'CPU':>7} {'(low    high)':>15}")


def span(interval):
    return f"{interval[0]:7.2f} ({interval[1]:6.2f} {interval[2]:6.2f})"
