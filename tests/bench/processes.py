# SPDX-License-Identifier: Apache-2.0
"""What our own processes take: CPU and memory, told by the kernel when they end, and their system calls, in one more run.

Beside them stands the same start by few calls (floor.c), the acts alone and with what the rules demand: of the hook behind the shim,
which leaves the device cgroup alone, and of the shim.
"""
import json
import os
import subprocess

import floor
import stats
from containers import Variant, timed
from table import say

HOSTS = ("full", "driver40", "driver400", "gpus64")
FLOORS = (("acts", False), ("with rules", True))


class Processes:
    def __init__(self, bench):
        self.bench = bench
        self.facts = bench.facts
        self.containers = bench.containers

    def usage(self, what):
        return os.path.join(self.bench.scene, "usage-" + what.replace(" ", "-"))

    def each_way(self, usage, rounds):
        """What to start a program under, once for each round, and once for its system calls."""
        return [[self.facts["rusage"], usage]] * rounds + [[self.facts["strace"], "-qq", "-o", usage + ".calls"]]

    def hook(self, what, argv, image="small", gpus="0"):
        usage = self.usage("hook " + what)
        for under in self.each_way(usage, self.bench.rounds):
            self.containers.start(Variant("", [self.bench.runc], "run", gpus=gpus, hook=under + argv), self.bench.image(image), self.bench.runc)
        self.row("hook", what, usage)

    def shim(self, what, argv, prepare=None):
        """In front of a runtime that does nothing; prepare(config.json) comes before each start."""
        usage = self.usage("shim " + what)
        for under in self.each_way(usage, self.bench.rounds):
            bundle, name = self.containers.prepare(Variant("", [], "create", gpus="0"), self.bench.image("small"))
            if prepare:
                prepare(os.path.join(bundle, "config.json"))
            timed(under + argv + ["--root", "/nowhere", "create", "--bundle", bundle, name], self.containers.log)
            self.containers.clean(bundle, name, self.bench.runc)
        self.row("shim", what, usage)

    def row(self, program, what, usage):
        with open(usage, encoding="utf-8") as f:
            lines = [[int(word) for word in line.split()] for line in f]
        cpu = stats.median_interval([line[0] / 1e3 for line in lines])
        row = {"group": "processes", "program": program, "what": what, "rounds": len(lines), "cpu_ms": cpu[0], "cpu_low_ms": cpu[1],
               "cpu_high_ms": cpu[2], "peak_kib": max(line[1] for line in lines), "calls": calls(usage + ".calls")}
        self.bench.rows.append(row)
        say(f"{program:8} {what:37} {cpu[0]:8.2f} {f'({cpu[1]:.2f} {cpu[2]:.2f})':>15} {row['peak_kib']:9} {row['calls']:6}")

    # --- the floor ---

    def plan(self):
        argv = [self.facts["nvcoreos"], "--json", "--config", self.bench.host("full") + "/conf", "plan", "--env", "NVIDIA_VISIBLE_DEVICES=0",
                "--rootfs", self.bench.image("small")]
        return json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)

    def left_behind(self, variant):
        """What a start leaves in its container: ({path in the layer: what it is}, {mount: its options}). Files' contents are bytes."""
        bundle, name = self.containers.prepare(variant, self.bench.image("small"))
        timed(self.containers.argv(variant, bundle, name), self.containers.log)
        try:
            return layer(bundle + "/upper"), mounts(self.containers.init(self.bench.runc, name))
        finally:
            self.containers.clean(bundle, name, self.bench.runc)

    def floors(self):
        plan, image = self.plan(), self.bench.image("small")
        host = floor.Host(self.bench.host("full"), os.path.dirname(os.path.dirname(plan["mounts"][0]["source"])))
        ours = self.left_behind(Variant("", self.bench.shim("full"), "create", gpus="0"))
        left = {path: os.path.join(self.bench.scene, "left-" + os.path.basename(path)) for path, what in sorted(ours[0].items()) if isinstance(what, bytes)}
        for path, copy in left.items():
            write(copy, ours[0][path])
        recipe = os.path.join(self.bench.scene, "recipe")
        argv = [self.facts["floor"], recipe]
        for what, rules in FLOORS:
            write(recipe, floor.hook(plan, host, left, image, rules).encode())
            if self.left_behind(Variant("", [self.bench.runc], "create", hook=argv)) != ours:
                say("the floor is left out: it leaves something else in a container than a start does")
                return
            self.hook(f"behind the shim, floor: {what}", argv, gpus=None)
        for what, rules in FLOORS:
            self.shim(f"small full, floor: {what}", argv,
                      lambda config, rules=rules: write(recipe, floor.shim(plan, host, config, self.facts["idle"], rules).encode()))


def layer(upper):
    """{path: content of a file, target of a link, "directory"}"""
    found = {}
    for at, directories, files in os.walk(upper):
        for name in directories + files:
            path = os.path.join(at, name)
            if os.path.islink(path):
                found[path[len(upper):]] = os.readlink(path)
            elif os.path.isfile(path):
                with open(path, "rb") as f:
                    found[path[len(upper):]] = f.read()
            else:
                found[path[len(upper):]] = "directory"
    return found


def mounts(pid):
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as f:
        return {line.split()[4]: line.split()[5] for line in f}


def write(path, content):
    with open(path, "wb") as f:
        f.write(content)


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
    own = Processes(bench)
    say(f"\nour own processes: CPU, peak memory, system calls\n{'':46} {'CPU ms':>8} {'(low high)':>15} {'peak KiB':>9} {'calls':>6}")
    own.hook("one that does nothing", [bench.facts["idle"]], gpus=None)
    own.hook("small full, behind the shim", bench.hook("full", "--device-cgroup=none"))
    for image in ("small", "big"):
        for host in HOSTS:
            own.hook(f"{image} {host}", bench.hook(host), image)
    for host in HOSTS:
        own.shim(f"small {host}", bench.shim(host, "conf-idle"))
    own.floors()
