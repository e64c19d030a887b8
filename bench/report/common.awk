# Functions the reports share. Systems appear in this order everywhere.

BEGIN {
	FS = "\t"
	if (base == "") base = "native"
	nsystems = split("native ring1 annotated rom 64M 512M 3G qemu uml", systems, " ")
	title["native"] = "native"
	title["annotated"] = "annotated"
	title["rom"] = "VMI ROM"
	title["ring1"] = "ring1"
	title["64M"] = "64 MiB"
	title["512M"] = "512 MiB"
	title["3G"] = "3 GiB"
	title["qemu"] = "QEMU TCG"
	title["uml"] = "UML"
}

# Sorts values[1..n] (n is small).
function sort_values(values, n,    i, j, t) {
	for (i = 2; i <= n; i++) {
		t = values[i]
		for (j = i - 1; j >= 1 && values[j] > t; j--)
			values[j + 1] = values[j]
		values[j + 1] = t
	}
}

function middle(values, n) {
	sort_values(values, n)
	return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
}

# Reads summary.tsv; keeps the items' order.
function read_summary(    key) {
	if (!($1 in unit_of)) {
		items[++nitems] = $1
		unit_of[$1] = $2
	}
	key = $1 SUBSEP $3
	value[key] = $4
	least[key] = $5
	spread[key] = $6
	launches[key] = $7
	measured[$3] = 1
}

function has(item, name) { return (item SUBSEP name) in value }

# The rows that are work, as opposed to facts about a machine or a launch: only they have ratios.
function is_work(item) { return unit_of[item] == "ns" || item ~ /^(macro|image)_/ }

function ratio(item, name) {
	if (!is_work(item)) return 0
	if (!has(item, name) || !has(item, base) || value[item, base] == 0) return 0
	return value[item, name] / value[item, base]
}

# Rows the first tables did not have: means with and without them are told apart.
function is_later(item) {
	return item ~ /^(mmap_storm_|ring_switch_|timer_tick_|file_update_journal$)/ ||
		item ~ /^macro_(dynamic|fork_tree|configure|find|tar)/
}

# Over the items that have a ratio, later rows included or not; the number of them is left in mean_items.
function mean_ratio(name, later,    i, sum) {
	mean_items = sum = 0
	for (i = 1; i <= nitems; i++)
		if (ratio(items[i], name) > 0 && (later || !is_later(items[i]))) {
			sum += log(ratio(items[i], name))
			mean_items++
		}
	return mean_items ? exp(sum / mean_items) : 0
}
