# results.tsv (SYSTEM RUN ITEM UNIT MEDIAN MINIMUM) to one line for each item and system:
# ITEM UNIT SYSTEM MEDIAN MINIMUM SPREAD LAUNCHES. Median and spread, (max - min) / median, are over the
# launches' medians (or, with figure=minimum, their minima); items stay in the order of their first appearance.

$5 == "-" { next }
{
	key = $3 SUBSEP $1
	if (!($3 in unit)) {
		item[++n] = $3
		unit[$3] = $4
	}
	all[key, ++count[key]] = (figure == "minimum" ? $6 : $5) + 0
	if (!(key in least) || $6 + 0 < least[key]) least[key] = $6 + 0
}
END {
	for (i = 1; i <= n; i++)
		for (s = 1; s <= nsystems; s++) {
			key = item[i] SUBSEP systems[s]
			if (!(key in count)) continue
			for (k = 1; k <= count[key]; k++) values[k] = all[key, k]
			m = middle(values, count[key])
			range = values[count[key]] - values[1]
			printf "%s\t%s\t%s\t%.2f\t%.2f\t%.3f\t%d\n", item[i], unit[item[i]], systems[s],
				m, least[key], (m ? range / m : 0), count[key]
		}
}
