# The table for people.

FILENAME ~ /host.tsv$/ { printf "%-17s %s\n", $1 ":", $2; next }
{ read_summary() }

function figure(x) {
	if (x >= 1e6) return sprintf("%.2f M", x / 1e6)
	if (x >= 100) return sprintf("%.0f", x)
	return sprintf((x >= 10 ? "%.1f" : "%.2f"), x)
}

function times(x) {
	return sprintf((x >= 100 ? "%.0f" : (x >= 10 ? "%.1f" : "%.2f")) "x", x)
}

function row(item,    s, spreads, text) {
	text = sprintf("%-24s %-4s", item, unit_of[item])
	for (s = 1; s <= nsystems; s++) {
		if (!measured[systems[s]]) continue
		text = text sprintf(" %10s", has(item, systems[s]) ? figure(value[item, systems[s]]) : "-")
		if (systems[s] != base && measured[base])
			text = text sprintf(" %7s", ratio(item, systems[s]) ? times(ratio(item, systems[s])) : "-")
		spreads = spreads (spreads ? "/" : "") (has(item, systems[s]) ? sprintf("%.0f%%", 100 * spread[item, systems[s]]) : "-")
	}
	print text "  " spreads
}

function heading(    s, text, rule) {
	text = sprintf("%-24s %-4s", "item", "unit")
	for (s = 1; s <= nsystems; s++) {
		if (!measured[systems[s]]) continue
		text = text sprintf(" %10s", title[systems[s]])
		if (systems[s] != base && measured[base]) text = text sprintf(" %7s", "ratio")
	}
	print ""
	print text "  spread"
	rule = text "--------"
	gsub(/./, "-", rule)
	print rule
}

function means(    s, m, text, rows) {
	if (!measured[base]) return
	for (s = 1; s <= nsystems; s++)
		if (measured[systems[s]] && systems[s] != base) {
			m = mean_ratio(systems[s], 0)
			rows = mean_items
			text = rows > 1 ? sprintf("%s over %d rows", times(m), rows) : ""
			m = mean_ratio(systems[s], 1)
			if (mean_items > rows && mean_items > 1)
				text = text (text ? "; " : "") sprintf("%s over %d rows with the later ones", times(m), mean_items)
			if (text) printf "geometric mean of %s's ratios to %s: %s\n", title[systems[s]], title[base], text
		}
}

END {
	heading()
	for (i = 1; i <= nitems; i++)
		if (is_work(items[i])) row(items[i])
	print ""
	for (i = 1; i <= nitems; i++)
		if (!is_work(items[i])) row(items[i])
	print ""
	means()
	print "Lower is better. Spread: (max - min) / median of the launches."
}
