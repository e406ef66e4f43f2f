# SPDX-License-Identifier: Apache-2.0
"""Recipes for floor.c: what one start does, as lines, made from the plan of that start and from what such a start has left behind."""
import json
import os
import subprocess

from containers import Variant

PROC = "/proc/driver/nvidia"
CACHE = "/etc/ld.so.cache"
FLOORS = (("acts", False), ("with rules", True))


def line(*fields):
    return "\t".join(fields)


def split(path):
    return os.path.dirname(path), os.path.basename(path)


class Host:
    """What a start reads of a scene's host."""

    def __init__(self, directory, tree):
        self.conf = os.path.join(directory, "conf")
        self.proc = os.path.join(directory, "host/proc")
        self.dev = os.path.join(directory, "host/dev")
        self.start = os.path.join(tree, "start.json")

    def shown(self, gpus):
        """Files of /proc/driver/nvidia that a container gets of its own: (source, name)."""
        driver = os.path.join(self.proc, "driver/nvidia")
        names = ["version", "params", "registry"] + [f"gpus/{gpu['pci']}/information" for gpu in gpus]
        return [(os.path.join(driver, name), name) for name in names]

    def facts(self):
        """Which GPUs there are, and by what numbers."""
        return [line("read", os.path.join(self.proc, "devices")), line("list", os.path.join(self.proc, "driver/nvidia/gpus"))]

    def driver(self):
        """What the driver's tree gives a container."""
        return [line("read", "/etc/os-release"), line("read", self.start)]


def looked_at(plan, files):
    """A line for each directory in which something is to be made: its names there."""
    names = {}
    for path in ["/usr/local/nvidia", "/etc/ld.so.conf.d"] + files + [link["path"] for link in plan["links"]]:
        names.setdefault(os.path.dirname(path), []).append(os.path.basename(path))
    return [line("look", directory, *found) for directory, found in names.items()]


def clones(plan, host):
    lines = [line("clone", mount["source"], "dir") for mount in plan["mounts"]]
    return lines + [line("clone", os.path.join(host.dev, node["name"]), "node") for node in plan["nodes"]]


def proc(plan, host):
    """A tmpfs with the files of the GPUs that were asked for."""
    lines = ["tmpfs", line("showdir", "gpus")] + [line("showdir", "gpus/" + gpu["pci"]) for gpu in plan["gpus"]]
    return lines + [line("show", source, name) for source, name in host.shown(plan["gpus"])] + ["seal"]


def places(plan):
    lines = [line("place", *split(mount["target"])) for mount in plan["mounts"]] + [line("node", node["name"]) for node in plan["nodes"]]
    # A container has it where the host's kernel has the driver; stand-ins have not.
    return lines + ([line("over", PROC)] if os.path.isdir(PROC) else [])


def made(plan, left, image):
    """Links and files, and the directories that the image has not; left: {path in the container: a file with what is there}."""
    lines, there = [], set()
    for link in plan["links"]:
        missing, at = [], os.path.dirname(link["path"])
        while at not in there and not os.path.isdir(image + at):
            missing.append(at)
            at = os.path.dirname(at)
        there.update(missing)
        lines += [line("dir", *split(path)) for path in reversed(missing)] + [line("link", link["target"], *split(link["path"]))]
    return lines + [line("put", source, *split(path)) for path, source in left.items()]


def hook_recipe(plan, host, left, image, rules):
    """By the rules rights change for the bundle, the visit and the looking, the clones, the places, the moves and the files."""
    lines = (["rules"] if rules else []) + ["confine", line("read", host.conf)] + host.facts()
    lines += ["state", "change", line("bundle", "config.json"), "change", "visit"]
    # The image's cache, which the new one is made of.
    inside = [line("inside", CACHE)]
    lines += host.driver() + looked_at(plan, list(left)) + (inside if rules else []) + ["change"] + clones(plan, host) + proc(plan, host)
    lines += ["join"] + ([] if rules else inside) + places(plan) + ["change", "move"]
    return "\n".join(lines + made(plan, left, image)) + "\n"


def shim_recipe(plan, host, config, program, rules):
    lines = (["rules"] if rules else []) + [line("read", host.conf)] + host.facts()
    lines += [line("read", source) for source, name in host.shown(plan["gpus"]) if name not in ("params", "registry")]
    return "\n".join(lines + host.driver() + [line("read", config), "change", line("rewrite", config), "change", line("become", program)]) + "\n"


class Floor:
    """A start with one GPU of hosts/full in the small image, by few calls."""

    def __init__(self, bench):
        self.bench = bench
        self.plan = self.ask_plan()
        self.host = Host(bench.host("full"), os.path.dirname(os.path.dirname(self.plan["mounts"][0]["source"])))
        self.layer, self.mounts, config = self.left_behind(Variant("", bench.shim("full"), "create", gpus="0"))
        self.devices = config["linux"]["resources"]["devices"]
        self.left = {}
        for path, what in sorted(self.layer.items()):
            if isinstance(what, bytes):
                self.left[path] = self.write("left-" + os.path.basename(path), what)

    def ask_plan(self):
        bench = self.bench
        argv = [bench.facts["nvcoreos"], "--json", "--config", bench.host("full") + "/conf", "plan", "--env", "NVIDIA_VISIBLE_DEVICES=0",
                "--rootfs", bench.image("small")]
        return json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)

    def left_behind(self, variant):
        return self.bench.containers.left_behind(variant, self.bench.image("small"), self.bench.runc)

    def write(self, name, content):
        path = os.path.join(self.bench.scene, name)
        with open(path, "wb") as f:
            f.write(content)
        return path

    def hook(self, rules):
        """The arguments of a hook."""
        recipe = hook_recipe(self.plan, self.host, self.left, self.bench.image("small"), rules)
        return [self.bench.facts["floor"], self.write(f"recipe-{rules}", recipe.encode())]

    def shim(self, name, program, rules, hook=None):
        """In front of that program; the container has the device rules that the shim gives it, and that hook."""
        return Variant(name, [self.bench.facts["floor"]], "create", hook=hook, devices=self.devices,
                       recipe=lambda config: shim_recipe(self.plan, self.host, config, program, rules))

    def start(self, name, rules):
        """All of it."""
        return self.shim(name, self.bench.runc, rules, self.hook(rules))

    def is_one(self):
        """Whether it leaves in a container what a start does."""
        return all(self.left_behind(self.start("", rules))[:2] == (self.layer, self.mounts) for _, rules in FLOORS)
