# SPDX-License-Identifier: Apache-2.0
"""crio.py ROOT OURS: reads the files of CRI-O below ROOT as CRI-O does, with Python's own TOML parser, and says what they come to.

CRI-O itself is in no Debian release; its manual pages are crio.conf(5) and crio.conf.d(5). OURS, a path below ROOT, may hold nothing but
what is in the schema, and of [crio.runtime] nothing but a default and runtimes. Exit status 1 and a sentence where CRI-O would not
start, or would leave a runtime out. What was there for each name and the default is printed, a line each."""
import os
import sys
import tomllib

LIST, TABLE = list, dict
# The members of a table below [crio.runtime.runtimes].
RUNTIME = {
    "runtime_path": str, "runtime_type": str, "runtime_root": str, "runtime_config_path": str,
    "privileged_without_host_devices": bool, "allowed_annotations": LIST, "default_annotations": TABLE,
    "monitor_path": str, "monitor_cgroup": str, "monitor_env": LIST, "monitor_exec_cgroup": str,
    "platform_runtime_paths": TABLE, "runtime_pull_image": bool, "container_min_memory": str, "no_sync_log": bool,
    "inherit_default_runtime": bool, "stream_websockets": bool, "exec_cpu_affinity": str, "seccomp_profile": str,
    "container_create_timeout": int,
}
PATH = ["usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin"]


def fail(sentence):
    print(sentence)
    sys.exit(1)


def below(root, path):
    return os.path.join(root, path.lstrip("/"))


def on_path(root, program):
    return any(os.access(os.path.join(root, d, program), os.X_OK) for d in PATH)


def files(root):
    """crio.conf first, then all of crio.conf.d by name, whatever their suffix."""
    if os.path.exists(below(root, "etc/crio/crio.conf")):
        yield below(root, "etc/crio/crio.conf")
    for base, dirs, names in os.walk(below(root, "etc/crio/crio.conf.d")):
        dirs.sort()
        for name in sorted(names):
            yield os.path.join(base, name)


def check_runtime(where, runtime):
    for key, value in runtime.items():
        if key not in RUNTIME:
            fail(f"{where}: no such key: {key}")
        if type(value) is not RUNTIME[key] or (RUNTIME[key] is LIST and not all(type(v) is str for v in value)):
            fail(f"{where}: {key} is of another type")
    if runtime.get("runtime_type", "") not in ("", "oci", "vm", "pod"):
        fail(f"{where}: no such runtime_type")
    if "runtime_config_path" in runtime and runtime.get("runtime_type") != "vm":
        fail(f"{where}: runtime_config_path is for virtual machines")


def check_ours(document):
    runtime = document.get("crio", {}).get("runtime", {})
    if set(document) != {"crio"} or set(document["crio"]) != {"runtime"} or set(runtime) - {"default_runtime", "runtimes"}:
        fail("ours says more than a default and runtimes")
    if len(runtime.get("runtimes", {})) != 1:
        fail("ours has not one runtime")


def starts(root, name, runtime):
    """What CRI-O looks for on the host when it starts."""
    path = runtime.get("runtime_path", "")
    if not (os.path.exists(below(root, path)) if path else on_path(root, name)):
        return f"{name}: no program {path}"
    monitor = runtime.get("monitor_path", "")
    if runtime.get("runtime_type", "") in ("", "oci", "pod"):
        if not (os.path.exists(below(root, monitor)) if monitor else on_path(root, "conmon")):
            fail(f"{name}: no conmon {monitor}: CRI-O does not start")
    return None


def main(root, ours):
    # Built in; a table takes the place of an earlier one of its name as a whole.
    runtimes, default = {"crun": {}}, "crun"
    for name in files(root):
        with open(name, "rb") as f:
            document = tomllib.load(f)
        if os.path.abspath(name) == os.path.abspath(below(root, ours)):
            check_ours(document)
        runtime = document.get("crio", {}).get("runtime", {})
        default = runtime.get("default_runtime", default)
        for key, value in runtime.get("runtimes", {}).items():
            check_runtime(f"{name}: {key}", value)
            runtimes[key] = value
    if default not in runtimes:
        fail(f"default_runtime is {default}, which has no table")
    for name in sorted(runtimes):
        why = starts(root, name, runtimes[name])
        if why and name == default:
            fail(why)
        print(name, "left out" if why else " ".join(f"{k}={v}" for k, v in sorted(runtimes[name].items())))
    print("default", default)


main(sys.argv[1], sys.argv[2])
