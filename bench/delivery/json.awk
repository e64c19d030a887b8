function string(s) {
	gsub(/\\/, "\\\\", s)
	gsub(/"/, "\\\"", s)
	return "\"" s "\""
}
function list(s,    v, n, i, r) {
	n = split(s, v, " ")
	for (i = 1; i <= n; i++) r = r (i > 1 ? ", " : "") v[i]
	return "[" r "]"
}
function item_end(last) { return last ? "\n" : ",\n" }

END {
	print "{\n  \"host\": {"
	for (i = 1; i <= nhost; i++) printf "    %s: %s%s", string(host_name[i]), string(host_text[i]), item_end(i == nhost)
	print "  },\n  \"cycles\": ["
	n = 0
	for (h = 1; h <= 2; h++) {
		how = h == 1 ? "annotated" : "vmi"
		for (i = 1; i <= noperations[how]; i++)
			for (m = 1; m <= 3; m++) {
				mode = m == 3 ? "trapped" : modes[m]
				if (cycles[how, mode, operation[how, i]] == "") continue
				line[++n] = sprintf("    {\"how\": %s, \"delivery\": %s, \"operation\": %s, \"instructions\": %s, \"cycles\": %s}",
					string(how), string(mode), string(operation[how, i]),
					((how, mode, operation[how, i]) in instructions) ? instructions[how, mode, operation[how, i]] : "null",
					list(cycles[how, mode, operation[how, i]]))
			}
	}
	for (i = 1; i <= n; i++) printf "%s%s", line[i], item_end(i == n)
	print "  ],\n  \"counts\": ["
	n = 0
	for (k = 1; k <= nkernels; k++)
		for (m = 1; m <= nmodes; m++)
			for (i = 0; i <= nitems; i++) {
				item = i ? items[i] : "none"
				if (counts[kernels[k], modes[m], item, 5] == "") continue
				text = sprintf("    {\"kernel\": %s, \"delivery\": %s, \"work\": %s, \"operations\": %d, \"enables\": %d, \"disables\": %d",
					string(kernels[k]), string(modes[m]), string(item), i ? counts[kernels[k], modes[m], item, 4] : 0,
					counts[kernels[k], modes[m], item, 5], counts[kernels[k], modes[m], item, 6])
				for (c = 1; c <= ncauses; c++)
					text = text sprintf(", %s: %d", string(causes[c]), counts[kernels[k], modes[m], item, 6 + c])
				line[++n] = text "}"
			}
	for (i = 1; i <= n; i++) printf "%s%s", line[i], item_end(i == n)
	print "  ],\n  \"times_ns\": ["
	n = 0
	for (k = 1; k <= nkernels; k++)
		for (m = 1; m <= nmodes; m++) {
			for (i = 1; i <= ntimed; i++)
				if (time[kernels[k], modes[m], timed[i]] != "")
					line[++n] = sprintf("    {\"kernel\": %s, \"delivery\": %s, \"work\": %s, \"medians\": %s, \"least\": %s}",
						string(kernels[k]), string(modes[m]), string(timed[i]),
						list(time[kernels[k], modes[m], timed[i]]), list(best[kernels[k], modes[m], timed[i]]))
			for (i = 1; i <= 2; i++) {
				item = i == 1 ? "timer_idle" : "timer_busy"
				if (late[kernels[k], modes[m], item, 5] != "")
					line[++n] = sprintf("    {\"kernel\": %s, \"delivery\": %s, \"work\": %s, \"p50\": %s, \"p90\": %s, \"p99\": %s, \"worst\": %s}",
						string(kernels[k]), string(modes[m]), string(item), list(late[kernels[k], modes[m], item, 5]),
						list(late[kernels[k], modes[m], item, 6]), list(late[kernels[k], modes[m], item, 7]),
						list(late[kernels[k], modes[m], item, 8]))
			}
		}
	for (i = 1; i <= n; i++) printf "%s%s", line[i], item_end(i == n)
	print "  ],\n  \"delays_log2_ns\": ["
	n = 0
	for (k = 1; k <= nkernels; k++)
		for (m = 1; m <= nmodes; m++) {
			text = ""
			for (b = 0; b < 40; b++) text = text (b ? ", " : "") (delay[kernels[k], modes[m], b] + 0)
			line[++n] = sprintf("    {\"kernel\": %s, \"delivery\": %s, \"counts\": [%s]}", string(kernels[k]), string(modes[m]), text)
		}
	for (i = 1; i <= n; i++) printf "%s%s", line[i], item_end(i == n)
	print "  ],\n  \"breaks\": ["
	for (i = 1; i <= nbreaks; i++) printf "    {\"how\": %s, \"property\": %s}%s", string(break_how[i]), string(break_text[i]), item_end(i == nbreaks)
	print "  ]\n}"
}
