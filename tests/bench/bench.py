#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench.py SCENE OUTPUT.json [--rounds N] [--groups A,B] [--check]: what nvcoreos adds to a container's start.

SCENE is what scene.sh made; with --check only the arguments are looked at. In every round each variant of a group starts one container,
in an order by lot, each on a root that no start has used before; a variant is compared with plain runc of the same round, and
the second plain runc shows the noise.
"""
import argparse
import json
import os
import platform
import signal
import subprocess

import lots
import processes
import stats
from containers import Containers, Stop, Variant, timed
from floor import FLOORS, Floor
from table import heading, say, span


class Bench:
    def __init__(self, scene, rounds):
        self.scene = scene
        self.rounds = rounds
        with open(os.path.join(scene, "scene.json"), encoding="utf-8") as f:
            self.facts = json.load(f)
        self.runc = self.facts["runc"]
        self.containers = Containers(os.path.join(scene, "containers"), self.runc)
        self.rows = []

    def floor(self):
        """None where it is none: its rows are then left out."""
        floor = Floor(self)
        if floor.is_one():
            return floor
        say("\nthe floor is left out: it leaves something else in a container than a start does")
        return None

    def host(self, name):
        return os.path.join(self.scene, "hosts", name)

    def image(self, name):
        return os.path.join(self.scene, "images", name)

    def shim(self, host, conf="conf"):
        return [self.facts["runtime"], "--nvcoreos-config", os.path.join(self.host(host), conf)]

    def hook(self, host, *options):
        return [self.facts["hook"], "--config", os.path.join(self.host(host), "conf"), *options, "prestart"]

    def paired(self, group, variants, image, base=0):
        """Rounds of them all; a row each, compared with variants[base]."""
        figures = [[] for _ in variants]
        for order in lots.rounds(self.rounds, range(len(variants))):
            for i in order:
                figures[i].append(self.containers.start(variants[i], self.image(image), self.runc))
        for variant, own in zip(variants, figures):
            self.row(group, image, variant.name, own, figures[base])

    def row(self, group, image, name, own, base):
        added = stats.median_interval([a.wall - b.wall for a, b in zip(own, base)])
        cpu = stats.median_interval([a.cpu - b.cpu for a, b in zip(own, base)])
        row = {
            "group": group, "image": image, "variant": name, "rounds": len(own),
            "wall_ms": stats.median([f.wall for f in own]),
            "ratio": stats.median([a.wall / b.wall for a, b in zip(own, base)]),
            "added_ms": added[0], "added_low_ms": added[1], "added_high_ms": added[2],
            "cpu_ms": stats.median([f.cpu for f in own]),
            "cpu_added_ms": cpu[0], "cpu_added_low_ms": cpu[1], "cpu_added_high_ms": cpu[2],
        }
        self.rows.append(row)
        say(f"{group:8} {image:6} {name:34} {row['wall_ms']:8.2f} {row['ratio']:6.2f}  {span(added)}  {span(cpu)}")

    # --- groups ---

    def create(self):
        """What dockerd and containerd call."""
        floor = self.floor()
        heading("create: paired with plain runc")
        for image in ("small", "big"):
            self.paired("create", [
                Variant("runc", [self.runc], "create"),
                Variant("runc again (noise)", [self.runc], "create"),
                Variant("nvcoreos-runtime, nothing asked", self.shim("full"), "create"),
                Variant("nvcoreos-runtime, 1 GPU", self.shim("full"), "create", gpus="0"),
            ] + [floor.start("floor: " + what, rules) for what, rules in FLOORS if floor and image == "small"], image)

    def run(self):
        """The hook alone, under either runtime, and beside it the least that others could do."""
        heading("run: paired with plain runc")
        for image in ("small", "big"):
            self.paired("run", [
                Variant("runc", [self.runc], "run"),
                Variant("runc again (noise)", [self.runc], "run"),
                Variant("runc + hook that does nothing", [self.runc], "run", hook=[self.facts["idle"]]),
                Variant("runc + nvcoreos-hook, 1 GPU", [self.runc], "run", gpus="0", hook=self.hook("full")),
                Variant("runc + each library a mount", [self.runc], "run", mounts=self.mounts("full")),
            ], image)
        for image in ("small", "big") if "crun" in self.facts else ():
            self.paired("run", [
                Variant("crun", [self.facts["crun"]], "run"),
                Variant("crun again (noise)", [self.facts["crun"]], "run"),
                Variant("crun + nvcoreos-hook, 1 GPU", [self.facts["crun"]], "run", gpus="0", hook=self.hook("full")),
                Variant("nvcoreos-runtime on crun, 1 GPU", self.shim("full", "conf-crun"), "run", gpus="0"),
            ], image)

    def mounts(self, host):
        """The driver's libraries, each mounted by itself, as a CDI specification would: no loader's cache, no links."""
        libraries = os.path.join(self.host(host), "libraries")
        return [{"destination": "/usr/local/lib/" + name, "source": os.path.join(libraries, name), "type": "bind",
                 "options": ["ro", "nosuid", "nodev", "bind"]} for name in sorted(os.listdir(libraries))]

    def growth(self):
        """The same start where host, driver or image hold more."""
        heading("growth: create, paired with the first of each")
        self.paired("driver", [Variant(f"driver of {n} libraries", self.shim(f"driver{n}"), "create", gpus="0") for n in (40, 400)], "small")
        self.paired("gpus", [Variant(f"all of {n} GPUs", self.shim(f"gpus{n}"), "create", gpus="all") for n in (1, 8, 64)], "small")
        self.images()

    def images(self):
        variant = Variant("create", self.shim("full"), "create", gpus="0")
        plain = Variant("runc", [self.runc], "create")
        own, base = {"small": [], "big": []}, {"small": [], "big": []}
        for order in lots.rounds(self.rounds, own):
            for image in order:
                base[image].append(self.containers.start(plain, self.image(image), self.runc))
                own[image].append(self.containers.start(variant, self.image(image), self.runc))
        self.row("images", "big", "plain runc, small to big", base["big"], base["small"])
        self.row("images", "big", "nvcoreos-runtime, small to big", own["big"], own["small"])

    def bursts(self):
        """Many at once."""
        say(f"\nbursts: each start's time in ms, {self.facts['bursts']} bursts; of fewer than 100 starts the p99 is the slowest\n"
            f"{'':37} {'starts':>8} {'runc p50':>9} {'p99':>9} {'ours p50':>9} {'p99':>9} {'p99 ratio':>9}")
        plain = Variant("runc", [self.runc], "create")
        ours = Variant("nvcoreos-runtime, 1 GPU", self.shim("full"), "create", gpus="0")
        for at_once in (1, 8, 64):
            figures = {plain.name: [], ours.name: []}
            for n in range(self.facts["bursts"]):
                for variant in (plain, ours) if n % 2 == 0 else (ours, plain):
                    figures[variant.name] += [f.wall for f in self.containers.burst(variant, self.image("small"), self.runc, at_once)]
            row = {"group": "bursts", "at_once": at_once, "bursts": self.facts["bursts"], "starts": len(figures[ours.name])}
            for key, variant in (("runc", plain), ("ours", ours)):
                row[key + "_p50_ms"] = stats.percentile(figures[variant.name], 0.5)
                row[key + "_p99_ms"] = stats.percentile(figures[variant.name], 0.99)
            row["p99_ratio"] = row["ours_p99_ms"] / row["runc_p99_ms"]
            self.rows.append(row)
            say(f"bursts   {at_once:3} at once {'':16} {row['starts']:8} {row['runc_p50_ms']:9.2f} {row['runc_p99_ms']:9.2f} {row['ours_p50_ms']:9.2f}"
                f" {row['ours_p99_ms']:9.2f} {row['p99_ratio']:9.2f}")

    def shim_alone(self):
        """In front of a runtime that does nothing, where nothing is asked."""
        bundle, name = self.containers.prepare(Variant("", [], "create"), self.image("small"))
        tail = ["--root", "/nowhere", "create", "--bundle", bundle, name]
        base, least, own = [], [], []
        pairs = ((base, [self.facts["idle"]]), (least, [self.facts["again"], self.facts["idle"]]), (own, self.shim("full", "conf-idle")))
        for order in lots.rounds(self.rounds * 25, pairs):
            for figures, argv in order:
                figures.append(timed(argv + tail, self.containers.log).wall)
        self.containers.clean(bundle, name, self.runc)
        say(f"\nin front of a runtime that does nothing ({stats.median(base):.2f} ms), nothing asked: ms added in {len(own)} rounds")
        for what, figures in (("a program that only becomes another", least), ("nvcoreos-runtime", own)):
            added = [a - b for a, b in zip(figures, base)]
            row = {"group": "shim", "what": what, "rounds": len(own), "idle_ms": stats.median(base),
                   "added_p50_ms": stats.percentile(added, 0.5), "added_p90_ms": stats.percentile(added, 0.9)}
            self.rows.append(row)
            say(f"shim     {what:37} p50 {row['added_p50_ms']:5.2f}  p90 {row['added_p90_ms']:5.2f}")

    def tool(self):
        """What people wait for."""
        say(f"\nthe tool: wall time\n{'':46} {'p50 ms':>8} {'p90 ms':>8}")
        for what, argv in self.facts["tool"].items():
            figures = [timed(argv, self.containers.log).wall for _ in range(self.rounds)]
            row = {"group": "tool", "what": what, "rounds": len(figures), "p50_ms": stats.percentile(figures, 0.5), "p90_ms": stats.percentile(figures, 0.9)}
            self.rows.append(row)
            say(f"tool     {what:37} {row['p50_ms']:8.2f} {row['p90_ms']:8.2f}")


def counted():
    """What tests/integration/cost.bats counted in a virtual machine without noise."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "figures"), encoding="utf-8") as f:
        lines = f.read().splitlines()
    keys = ("scene", "program", "what", "figure")
    return {"made": lines[2].lstrip("# "), "figures": [dict(zip(keys, line.split()[:3] + [int(line.split()[3])])) for line in lines[3:]]}


def version(program):
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        return next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "unknown")


def machine(facts, containers):
    what = {"kernel": platform.release(), "processor": processor(), "processors": os.cpu_count(), "load": os.getloadavg()[0],
            "runc": version(facts["runc"]), "driver": facts["driver"], "libraries": facts["libraries"],
            "layers": "a file system of their own" if containers.disk.mounted else "where files were removed before, which costs later ones"}
    if "crun" in facts:
        what["crun"] = version(facts["crun"])
    return what


GROUPS = {"create": Bench.create, "run": Bench.run, "growth": Bench.growth, "bursts": Bench.bursts, "shim": Bench.shim_alone,
          "processes": processes.measure, "tool": Bench.tool}


class Arguments(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"bench: {message}; options: --rounds N, --groups A,B of {' '.join(GROUPS)}\n")


def count(text):
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: a number, one at least")
    return int(text)


def some_groups(text):
    groups = text.split(",")
    for name in groups:
        if name not in GROUPS:
            raise argparse.ArgumentTypeError(f"no group {name}")
    return groups


def output(path):
    """Told before the measuring, which takes long."""
    directory = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(directory) or os.path.isdir(path) or not os.access(directory, os.W_OK):
        raise argparse.ArgumentTypeError(f"{path}: cannot be written")
    return path


def arguments():
    parser = Arguments(add_help=False, allow_abbrev=False)
    parser.add_argument("scene")
    parser.add_argument("output", type=output)
    parser.add_argument("--rounds", type=count, default=40)
    parser.add_argument("--groups", type=some_groups, default=list(GROUPS))
    parser.add_argument("--check", action="store_true")
    return parser.parse_args()


def measure(args):
    bench = Bench(args.scene, args.rounds)
    result = {"machine": machine(bench.facts, bench.containers), "rounds": args.rounds}
    for key, value in result["machine"].items():
        say(f"{key}: {value}")
    try:
        for group in args.groups:
            GROUPS[group](bench)
    finally:
        bench.containers.end()
    result["rows"] = bench.rows
    result["counted"] = counted()
    with open(args.output, "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
        f.write("\n")


def main():
    args = arguments()
    if args.check:
        return
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, Stop.ask)
    try:
        measure(args)
    except subprocess.CalledProcessError as e:
        raise SystemExit(f"bench: {' '.join(e.cmd)}: status {e.returncode}: {e.stderr or ''}") from None


if __name__ == "__main__":
    main()
