# SPDX-License-Identifier: Apache-2.0
# driver-files.conf to the tables that classify.c and cudaver.c include: one part for each kind of line, of which the including file
# wants one. A line that is not understood ends it.

function fail(why)
{
	printf "%s:%d: %s: %s\n", FILENAME, FNR, why, $0 > "/dev/stderr"
	failed = 1
	exit 1
}

function add(part, row)
{
	rows[part] = rows[part] "\t" row ",\n"
}

function capabilities(words,    list, n, i, r)
{
	if (words == "host")
		return "0"
	n = split(words, list, ",")
	for (i = 1; i <= n; i++) {
		if (list[i] !~ /^(compute|compat32|graphics|utility|video|display|ngx)$/)
			fail("no capability")
		r = r (i > 1 ? " | " : "") "CAP_" toupper(list[i])
	}
	return r
}

# Whether the option is among the fields from the fourth on; each that is there must be known.
function option(name,    i, found)
{
	for (i = 4; i <= NF; i++) {
		if ($i != "compat" && $i != "unversioned" && $i != "cached")
			fail("no option")
		if ($i == name)
			found = 1
	}
	return found ? "true" : "false"
}

function quoted(s)
{
	if (s !~ /^[A-Za-z0-9._+\/-]+$/)
		fail("no name")
	return "\"" s "\""
}

/^[ \t]*(#|$)/ { next }
$1 == "library" && NF >= 3 {
	add("LIBRARIES", "{ " quoted($2) ", " capabilities($3) ", " option("compat") ", " option("unversioned") ", " ($3 == "host" ? "true" : "false") " }")
	next
}
$1 == "xserver" && NF == 3 && $3 ~ /^(drivers|extensions)$/ {
	add("XSERVER", "{ " quoted($2) ", " quoted($3) " }")
	next
}
$1 == "program" && NF == 3 {
	add("PROGRAMS", "{ " quoted($2) ", " capabilities($3) " }")
	next
}
$1 == "share" && NF == 5 {
	part = sub(/\*$/, "", $2) ? "SHARE_PREFIXES" : "SHARES"
	add(part, "{ " quoted($2) ", " quoted($4) ", " quoted($5) ", " capabilities($3) " }")
	next
}
$1 == "alias" && (NF == 3 || NF == 4) {
	add("ALIASES", "{ " quoted($2) ", " quoted($3) ", " option("cached") " }")
	next
}
$1 == "cuda" && NF == 3 && $2 ~ /^[0-9]+$/ && $3 ~ /^[0-9]+\.[0-9]+$/ {
	add("CUDA", "{ " quoted($2) ", " quoted($3) " }")
	next
}
{ fail("not understood") }

END {
	if (failed)
		exit 1
	n = split("LIBRARIES XSERVER PROGRAMS SHARES SHARE_PREFIXES ALIASES CUDA", parts, " ")
	for (i = 1; i <= n; i++) {
		if (!rows[parts[i]]) {
			printf "driver-files.conf: no line of %s\n", parts[i] > "/dev/stderr"
			exit 1
		}
		printf "#ifdef DRIVER_FILES_%s\n%s#endif\n", parts[i], rows[parts[i]]
	}
}
