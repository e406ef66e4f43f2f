# SPDX-License-Identifier: Apache-2.0
"""Bundles over overlays that were never used before, and runtimes that are started on them and timed."""
import copy
import json
import os
import shutil
import subprocess
import time

QUIET = os.open(os.devnull, os.O_RDWR)
HOOK_ENV = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]


class Stop:
    """Asked for by a signal: the start in progress comes to its end, the next one is not begun."""

    asked = False

    @classmethod
    def ask(cls, _number, _frame):
        cls.asked = True

    @classmethod
    def check(cls):
        if cls.asked:
            raise SystemExit("bench: stopped, no figures")


class Figure:
    """One start: its time, and the CPU time of all that it has waited for, in ms."""

    def __init__(self, wall, cpu):
        self.wall = wall
        self.cpu = cpu


def spawn(argv, log):
    """Starts it, with nothing to read, and what it says in that file; (pid, when)."""
    actions = [
        (os.POSIX_SPAWN_DUP2, QUIET, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    begin = time.monotonic_ns()
    return os.posix_spawn(argv[0], argv, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, file_actions=actions), begin


def wait(pid, begin, argv, log):
    """Waits for what spawn() has started. What fails ends the measurement: figures of failures are none."""
    _, status, usage = os.wait4(pid, 0)
    end = time.monotonic_ns()
    if status != 0:
        with open(log, encoding="utf-8", errors="replace") as f:
            raise SystemExit(f"bench: {' '.join(argv)}: status {status}: {f.read()}")
    return Figure((end - begin) / 1e6, (usage.ru_utime + usage.ru_stime) * 1e3)


def timed(argv, log):
    Stop.check()
    pid, begin = spawn(argv, log)
    return wait(pid, begin, argv, log)


class Variant:
    """One way of starting a container."""

    def __init__(self, name, runtime, verb, gpus=None, hook=None, mounts=None, devices=None, recipe=None):
        self.name = name
        self.runtime = runtime
        self.verb = verb
        self.gpus = gpus
        self.hook = hook
        self.mounts = mounts or []
        self.devices = devices
        self.recipe = recipe  # for a runtime that takes one first: its text, made for the path of config.json

    def edit(self, config):
        """What an engine would write of it into config.json."""
        if self.gpus:
            config["process"]["env"] += ["NVIDIA_VISIBLE_DEVICES=" + self.gpus]
        if self.hook:
            config["hooks"] = {"prestart": [{"path": self.hook[0], "args": self.hook, "env": HOOK_ENV}]}
        if self.devices:
            config["linux"]["resources"]["devices"] = self.devices
        config["mounts"] = config["mounts"] + copy.deepcopy(self.mounts)


class Disk:
    """A file system of its own, as large as a file is made: where files were removed in the last minutes, ext4 passes over their inodes
    whenever it makes one, and what had been removed before would be timed."""

    def __init__(self, directory, size=4 << 30):
        self.directory = directory
        self.image = directory + ".disk"
        os.makedirs(directory)
        with open(self.image, "xb") as f:
            f.truncate(size)
        # Nothing of it is left to the kernel to do while it is used.
        argv = ["mke2fs", "-q", "-F", "-t", "ext4", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.image]
        subprocess.run(argv, check=True)
        self.mounted = subprocess.run(["mount", "-o", "loop", self.image, directory], check=False).returncode == 0

    def end(self):
        # With what a start that was stopped has left mounted on it: nothing here may hide why it was.
        if self.mounted:
            subprocess.run(["umount", "--recursive", "--lazy", self.directory], check=True)
        shutil.rmtree(self.directory, ignore_errors=True)
        os.unlink(self.image)


class Containers:
    """Makes and takes away the containers of one directory. The base of config.json is `runc spec`'s."""

    def __init__(self, directory, runc):
        self.directory = directory
        self.disk = Disk(directory)
        self.count = 0
        self.log = os.path.join(directory, "log")
        spec = os.path.join(directory, "spec")
        os.makedirs(spec)
        subprocess.run([runc, "spec", "-b", spec], check=True)
        with open(os.path.join(spec, "config.json"), encoding="utf-8") as f:
            self.base = json.load(f)
        self.base["process"]["terminal"] = False
        self.base["process"]["args"] = ["/bin/true"]
        self.base["root"]["readonly"] = False

    def prepare(self, variant, image):
        """A bundle for one start of that variant: (directory, id). An upper is never used twice: ext4 would look for free inodes."""
        self.count += 1
        name = f"nvcbench-{os.getpid()}-{self.count}"
        bundle = os.path.join(self.directory, name)
        root = os.path.join(bundle, "rootfs")
        for path in (root, os.path.join(bundle, "upper"), os.path.join(bundle, "work")):
            os.makedirs(path)
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={image},upperdir={bundle}/upper,workdir={bundle}/work", root],
                       check=True)
        config = copy.deepcopy(self.base)
        config["root"]["path"] = root
        config["linux"]["cgroupsPath"] = "/" + name
        variant.edit(config)
        with open(config_path(bundle), "w", encoding="utf-8") as f:
            json.dump(config, f)
        if variant.recipe:
            with open(os.path.join(bundle, "recipe"), "w", encoding="utf-8") as f:
                f.write(variant.recipe(config_path(bundle)))
        return bundle, name

    def argv(self, variant, bundle, name):
        first = [os.path.join(bundle, "recipe")] if variant.recipe else []
        return variant.runtime + first + ["--root", self.directory + "/state", variant.verb, "--no-new-keyring", "--bundle", bundle, name]

    def left_behind(self, variant, image, runc):
        """What a start leaves: ({path in the container's layer: what it is}, {mount: its options}, config.json). Files' contents are bytes."""
        bundle, name = self.prepare(variant, image)
        try:
            timed(self.argv(variant, bundle, name), self.log)
            with open(config_path(bundle), encoding="utf-8") as f:
                return layer(bundle + "/upper"), mounts(self.init(runc, name)), json.load(f)
        finally:
            self.clean(bundle, name, runc)

    def init(self, runc, name):
        """The pid of a container's first process."""
        argv = [runc, "--root", self.directory + "/state", "state", name]
        return json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)["pid"]

    def clean(self, bundle, name, runc):
        subprocess.run([runc, "--root", self.directory + "/state", "delete", "--force", name], stdout=QUIET, stderr=QUIET, check=False)
        subprocess.run(["umount", bundle + "/rootfs"], check=True)

    def start(self, variant, image, runc):
        """One start, timed; what is done before and after is not."""
        bundle, name = self.prepare(variant, image)
        argv = self.argv(variant, bundle, name)
        try:
            return timed(argv, self.log)
        finally:
            self.clean(bundle, name, runc)

    def burst(self, variant, image, runc, n):
        """n starts at once; a Figure each, taken as they end: to wait in turn would time the first with the last."""
        Stop.check()
        made = [self.prepare(variant, image) for _ in range(n)]
        left, figures = {}, []
        try:
            for bundle, name in made:
                argv = self.argv(variant, bundle, name)
                pid, begin = spawn(argv, self.log)
                left[pid] = (begin, argv)
                while left and (figure := ended(left, self.log, os.WNOHANG)):
                    figures.append(figure)
            while left:
                figures.append(ended(left, self.log))
            return figures
        finally:
            # Where one has failed, the others still run.
            for pid in left:
                os.waitpid(pid, 0)
            for bundle, name in made:
                self.clean(bundle, name, runc)

    def end(self):
        self.disk.end()


def ended(left, log, flags=0):
    """The Figure of the next of them that ends, which is taken out of {pid: (begin, argv)}; None: WNOHANG, and none has ended."""
    found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | flags)
    if found is None:
        return None
    begin, argv = left.pop(found.si_pid)
    return wait(found.si_pid, begin, argv, log)


def config_path(bundle):
    return os.path.join(bundle, "config.json")


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
