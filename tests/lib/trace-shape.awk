# SPDX-License-Identifier: Apache-2.0
# Reads what `strace -f -y` wrote of the hook, and prints each system call that has not the shape which it must have. Variables:
# canary: a directory of the host that no descriptor may ever lead to; names: an expression for names that nobody may look up.

function bad(why) {
	print "O3: " why ": " $0
}

# The quoted strings of a call: s[1..n].
function strings(line, s,    n) {
	n = 0
	while (match(line, /"([^"\\]|\\.)*"/)) {
		s[++n] = substr(line, RSTART + 1, RLENGTH - 2)
		line = substr(line, RSTART + RLENGTH)
	}
	return n
}

# A single component, on a descriptor.
function single(line,    i, n, s) {
	n = strings(line, s)
	if (line ~ /\(AT_FDCWD/)
		return 0
	for (i = 1; i <= n; i++)
		if (s[i] ~ /\// || s[i] == "..")
			return 0
	return 1
}

BEGIN {
	inside = 0
}

{
	sub(/^[0-9]+ +/, "")
	call = $0
	sub(/\(.*/, "", call)
}

call == "execve" && ++executed > 1 {
	bad("something is executed")
}

call == "close_range" && /^close_range\(3, 4294967295, 0\) += 0/ {
	closed = 1
}

/^prctl\(PR_SET_DUMPABLE, SUID_DUMP_DISABLE\) += 0/ {
	undumpable = 1
}

/^prctl\(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0\) += 0/ {
	no_new_privs = 1
}

/^seccomp\(SECCOMP_SET_MODE_FILTER, .*len=.*= 0/ {
	filters++
}

# jansson takes its seed from /dev/urandom, and closes it at once.
(call == "open" || call == "openat" || call == "openat2") && !/O_CLOEXEC/ && !/"\/dev\/(null|urandom)", O_RD/ {
	bad("a descriptor that a program would inherit")
}

call == "open_tree" && !/OPEN_TREE_CLOEXEC/ || call == "fsopen" && !/FSOPEN_CLOEXEC/ || call == "fsmount" && !/FSMOUNT_CLOEXEC/ ||
call == "socket" && !/SOCK_CLOEXEC/ || call == "dup" || call == "dup2" || /F_DUPFD,/ {
	bad("a descriptor that a program would inherit")
}

(call == "open" || call == "openat" || call == "openat2") && !closed {
	bad("opened before the inherited descriptors were closed")
}

call == "setns" {
	setns++
	if (!undumpable)
		bad("a namespace is entered by a process that can be looked into")
	if (!no_new_privs)
		bad("a namespace is entered without no_new_privs")
	if (!filters)
		bad("a namespace is entered without a seccomp filter")
	# The first is a visit, the second the way back, the third the last.
	inside = setns != 2
	visit = setns == 1
}

call == "openat2" && /^openat2\(AT_FDCWD/ {
	# The engine's own path of the root, once, on the visit.
	if (!visit || roots++ || !/RESOLVE_NO_MAGICLINKS/)
		bad("a path that does not begin at a root")
}

call == "openat2" && !/^openat2\(AT_FDCWD/ && !(/RESOLVE_IN_ROOT/ && /RESOLVE_NO_MAGICLINKS/) && !(/RESOLVE_BENEATH/ && /RESOLVE_NO_SYMLINKS/ && single($0)) {
	bad("a path that could leave its root")
}

inside && call ~ /^(openat|mkdirat|mknodat|symlinkat|renameat|renameat2|unlinkat|linkat|readlinkat|fchownat|fchmodat|newfstatat|statx|utimensat)$/ {
	# /proc: the host's own, which the container has not got its hands on before it is pivoted.
	if (!/^openat\(AT_FDCWD<[^>]*>, "\/proc\/self\/mountinfo", O_RDONLY/ && !(visit && /^newfstatat\(AT_FDCWD<[^>]*>, "\/", /) && call != "symlinkat" && !single($0))
		bad("a path of more than one component")
	if (call == "symlinkat" && !single(substr($0, index($0, ", ") + 2)))
		bad("a path of more than one component")
}

inside && call ~ /^(open|creat|mkdir|mknod|symlink|rename|unlink|link|readlink|stat|lstat|chown|lchown|chmod|truncate|mount|umount2|chdir|access|rmdir|utime)$/ {
	bad("a path that does not begin at a descriptor")
}

canary != "" && /= [0-9]+<[^>]*>/ {
	result = $0
	sub(/.*= [0-9]+</, "", result)
	if (index(result, canary) == 1)
		bad("opened outside the root")
}

names != "" && $0 ~ names && call ~ /^(open|openat|execve|readlink|readlinkat|access|stat|newfstatat)$/ {
	bad("a name of the image is looked up")
}

END {
	if (!executed || !closed || !undumpable || !no_new_privs)
		print "O3: the start is not whole: executed " executed + 0 ", closed " closed + 0 ", undumpable " undumpable + 0 \
			", no_new_privs " no_new_privs + 0
}
