# SPDX-License-Identifier: Apache-2.0
"""What our own processes take: CPU and memory, told by the kernel when they end, and their system calls, in one more run.

Beside them stands the same start by few calls (floor.c), the acts alone and with what the rules demand: of the hook behind the shim,
which leaves the device cgroup alone, and of the shim.
"""
import os

import lots
import stats
from containers import Variant, timed
from floor import FLOORS
from table import say

HOSTS = ("full", "driver40", "driver400", "gpus64")


class Processes:
    def __init__(self, bench):
        self.bench = bench
        self.facts = bench.facts
        self.containers = bench.containers

    def usage(self, what):
        return os.path.join(self.bench.scene, "usage-" + what.replace(" ", "-"))

    def measure(self, program, kinds, start):
        """Rounds of them all, and one more for their system calls; start(what it is to run under, each of kinds' values)."""
        usages = {what: self.usage(program + " " + what) for what in kinds}
        for order in lots.rounds(self.bench.rounds, kinds):
            for what in order:
                start([self.facts["rusage"], usages[what]], kinds[what])
        for what, kind in kinds.items():
            start([self.facts["strace"], "-qq", "-o", usages[what] + ".calls"], kind)
        for what, usage in usages.items():
            self.row(program, what, usage)

    def hook(self, kinds):
        """{what: (image, argv)}"""
        def start(under, kind):
            image, argv = kind
            variant = Variant("", [self.bench.runc], "run", gpus="0", hook=under + argv)
            self.containers.start(variant, self.bench.image(image), self.bench.runc)
        self.measure("hook", kinds, start)

    def shim(self, kinds):
        """{what: Variant}, in front of a runtime that does nothing."""
        def start(under, variant):
            bundle, name = self.containers.prepare(variant, self.bench.image("small"))
            timed(under + self.containers.argv(variant, bundle, name), self.containers.log)
            self.containers.clean(bundle, name, self.bench.runc)
        self.measure("shim", kinds, start)

    def row(self, program, what, usage):
        with open(usage, encoding="utf-8") as f:
            lines = [[int(word) for word in line.split()] for line in f]
        cpu = stats.median_interval([line[0] / 1e3 for line in lines])
        row = {"group": "processes", "program": program, "what": what, "rounds": len(lines), "cpu_ms": cpu[0], "cpu_low_ms": cpu[1],
               "cpu_high_ms": cpu[2], "peak_kib": max(line[1] for line in lines), "calls": calls(usage + ".calls")}
        self.bench.rows.append(row)
        say(f"{program:8} {what:37} {cpu[0]:8.2f} {f'({cpu[1]:.2f} {cpu[2]:.2f})':>15} {row['peak_kib']:9} {row['calls']:6}")


def calls(trace):
    """Of the program that was started, with its own execve and the one by which it becomes another."""
    count = executed = 0
    with open(trace, encoding="utf-8", errors="replace") as f:
        for line in f:
            executed += line.startswith("execve(")
            count += 1
            if executed == 2:
                break
    return count


def measure(bench):
    own, floor = Processes(bench), bench.floor()
    say(f"\nour own processes: CPU, peak memory, system calls\n{'':46} {'CPU ms':>8} {'(low high)':>15} {'peak KiB':>9} {'calls':>6}")
    own.hook({
        "one that does nothing": ("small", [bench.facts["idle"]]),
        "behind the shim, small full": ("small", bench.hook("full", "--device-cgroup=none")),
        **({"behind the shim, floor: " + kind: ("small", floor.hook(rules)) for kind, rules in FLOORS} if floor else {}),
        **{f"{image} {host}": (image, bench.hook(host)) for image in ("small", "big") for host in HOSTS},
    })
    shims = {"small full, floor: " + kind: floor.shim("", bench.facts["idle"], rules) for kind, rules in FLOORS} if floor else {}
    own.shim({**{f"small {host}": Variant("", bench.shim(host, "conf-idle"), "create", gpus="0") for host in HOSTS}, **shims})
