# Reads the study's tables; the reports share it.

BEGIN { FS = "\t" }

function sort_values(v, n,    i, j, t) {
	for (i = 2; i <= n; i++) {
		t = v[i]
		for (j = i - 1; j >= 1 && v[j] > t; j--) v[j + 1] = v[j]
		v[j + 1] = t
	}
}

# The list is "x y z ..." in a string.
function median(list,    v, n, i) {
	n = split(list, v, " ")
	if (!n) return ""
	for (i in v) v[i] += 0
	sort_values(v, n)
	return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}
function least(list,    v, n, i) {
	n = split(list, v, " ")
	for (i in v) v[i] += 0
	sort_values(v, n)
	return v[1]
}
# (max - min) / median, in percent
function spread(list,    v, n, m, i) {
	n = split(list, v, " ")
	m = median(list)
	if (!n || m == 0) return ""
	for (i in v) v[i] += 0
	sort_values(v, n)
	return sprintf("%.0f%%", 100 * (v[n] - v[1]) / m)
}
function remember(kernel) { if (!(kernel in known)) { known[kernel] = 1; kernels[++nkernels] = kernel } }

FILENAME ~ /host.tsv$/ { host_name[++nhost] = $1; host_text[nhost] = $2; next }
FILENAME ~ /instructions.tsv$/ { instructions[$1, $2, $3] = $4; next }
FILENAME ~ /cycles.tsv$/ {
	if (!(($1, $3) in seen_operation)) { seen_operation[$1, $3] = 1; operation[$1, ++noperations[$1]] = $3 }
	cycles[$1, $2, $3] = cycles[$1, $2, $3] " " $4 / 1000
	next
}
FILENAME ~ /counts.tsv$/ {
	remember($1)
	for (i = 4; i <= NF; i++) counts[$1, $2, $3, i] = $i
	next
}
FILENAME ~ /times.tsv$/ {
	remember($1)
	if ($4 == "ns") time[$1, $2, $3] = time[$1, $2, $3] " " $5
	if ($4 == "ns") best[$1, $2, $3] = best[$1, $2, $3] " " $6
	if ($4 == "late") for (i = 5; i <= 8; i++) late[$1, $2, $3, i] = late[$1, $2, $3, i] " " $i
	if ($4 == "bucket") bucket[$1, $2, $3, $5] += $6
	next
}
FILENAME ~ /delays.tsv$/ { delay[$1, $2, $3] += $4; next }
FILENAME ~ /breaks.tsv$/ { break_how[++nbreaks] = $1; break_text[nbreaks] = $2; next }

BEGIN {
	nmodes = split("immediate deferred", modes, " ")
	nitems = split("syscall pipe fork udp tcp timer_idle timer_busy", items, " ")
	ntimed = split("syscall pipe fork udp tcp", timed, " ")
	ncauses = split("kick enable disable iret exit halt bound", causes, " ")
	unit["syscall"] = "system call"
	unit["pipe"] = "pipe round trip"
	unit["fork"] = "fork, exit, wait"
	unit["udp"] = "UDP round trip"
	unit["tcp"] = "64 KiB of TCP"
	unit["timer_idle"] = "1 ms sleep, idle"
	unit["timer_busy"] = "1 ms sleep, busy"
}
# Fields of counts: 4 operations, 5 enables, 6 disables, 7.. by cause.
function counted(kernel, mode, item, field) { return counts[kernel, mode, item, field] - counts[kernel, mode, "none", field] }
# The 2-logarithm of the delay below which a share of the waiting interrupts came; -1: there were none.
function delay_quantile(kernel, mode, share,    b, all, sum) {
	for (b = 0; b < 40; b++) all += delay[kernel, mode, b]
	if (!all) return -1
	for (b = 0; b < 40; b++) {
		sum += delay[kernel, mode, b]
		if (sum >= all * share) return b + 1
	}
	return 40
}
function nanoseconds(ns) {
	if (ns == "") return "-"
	if (ns >= 1e6) return sprintf("%.2f ms", ns / 1e6)
	if (ns >= 1e4) return sprintf("%.0f us", ns / 1e3)
	if (ns >= 1e3) return sprintf("%.1f us", ns / 1e3)
	return sprintf("%.0f ns", ns)
}
