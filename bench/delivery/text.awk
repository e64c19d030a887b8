function rule(title) { printf "\n%s\n", title; gsub(/./, "-", title); print title }

END {
	for (i = 1; i <= nhost; i++) printf "%-14s %s\n", host_name[i] ":", host_text[i]

	rule("What one operation on the flag costs, nothing pending: instructions, and TSC cycles (least of all launches; spread)")
	for (h = 1; h <= 2; h++) {
		how = h == 1 ? "annotated" : "vmi"
		printf "%-26s %22s %22s%s\n", h == 1 ? "annotated instruction" : "VMI call", "immediate", "deferred",
			h == 1 ? sprintf("%22s", "trapped (#GP)") : ""
		for (i = 1; i <= noperations[how]; i++) {
			op = operation[how, i]
			if (op == "call_ret") continue
			printf "  %-24s", op
			for (m = 1; m <= nmodes; m++) {
				list = cycles[how, modes[m], op]
				if (list == "" || ((how, modes[m], op) in instructions) == 0) { printf " %22s", "-"; continue }
				printf " %22s", sprintf("%d  %6.1f %6s", instructions[how, modes[m], op], least(list), spread(list))
			}
			list = cycles[how, "trapped", op]
			if (h == 1) printf " %21s", list == "" ? "-" : sprintf("%8.0f %6s", least(list), spread(list))
			print ""
		}
	}

	rule("How often an enable finds something pending, immediate delivery (a boot without the work subtracted)")
	printf "%-18s %-18s %12s %14s %14s\n", "kernel", "work", "operations", "enables each", "found pending"
	for (k = 1; k <= nkernels; k++) {
		kernel = kernels[k]
		for (i = 0; i <= nitems; i++) {
			item = i ? items[i] : "none"
			if (counts[kernel, "immediate", item, 5] == "") continue
			e = i ? counted(kernel, "immediate", item, 5) : counts[kernel, "immediate", item, 5]
			f = i ? counted(kernel, "immediate", item, 8) : counts[kernel, "immediate", item, 8]
			ops = i ? counts[kernel, "immediate", item, 4] : 1
			printf "%-18s %-18s %12s %14.1f %14s\n", kernel, i ? unit[item] : "boot and halt", i ? ops : "1",
				e / ops, (e > 1000 ? sprintf("%d (%.3f%%)", f, 100 * f / e) : (f > 0 ? f : 0) "")
		}
	}

	rule("What let the interrupts in, share of all (boot and all work together)")
	printf "%-18s %-10s %10s", "kernel", "delivery", "interrupts"
	for (c = 1; c <= ncauses; c++) printf " %8s", causes[c]
	print ""
	for (k = 1; k <= nkernels; k++)
		for (m = 1; m <= nmodes; m++) {
			all = 0
			for (c = 1; c <= ncauses; c++) {
				sum[c] = 0
				for (i = 0; i <= nitems; i++) sum[c] += counts[kernels[k], modes[m], i ? items[i] : "none", 6 + c]
				all += sum[c]
			}
			printf "%-18s %-10s %10d", kernels[k], modes[m], all
			for (c = 1; c <= ncauses; c++) printf " %7.2f%%", all ? 100 * sum[c] / all : 0
			print ""
		}

	rule("How long an interrupt waited that could not be delivered at once: half, 90 %, 99 % of them less than")
	for (k = 1; k <= nkernels; k++)
		for (m = 1; m <= nmodes; m++) {
			if (delay_quantile(kernels[k], modes[m], 0.5) < 0) continue
			printf "%-18s %-10s %10s %10s %10s\n", kernels[k], modes[m],
				nanoseconds(2 ^ delay_quantile(kernels[k], modes[m], 0.5)),
				nanoseconds(2 ^ delay_quantile(kernels[k], modes[m], 0.9)),
				nanoseconds(2 ^ delay_quantile(kernels[k], modes[m], 0.99))
		}

	rule("Time of an operation (median of the launches' medians, spread; least of all)")
	printf "%-18s %-18s %10s %6s %10s %10s %6s %10s %9s %7s\n", "kernel", "work", "immediate", "", "least", "deferred", "", "least", "deferred", "least"
	for (k = 1; k <= nkernels; k++)
		for (i = 1; i <= ntimed; i++) {
			a = time[kernels[k], "immediate", timed[i]]
			b = time[kernels[k], "deferred", timed[i]]
			if (a == "" || b == "") continue
			la = least(best[kernels[k], "immediate", timed[i]])
			lb = least(best[kernels[k], "deferred", timed[i]])
			printf "%-18s %-18s %10s %6s %10s %10s %6s %10s %8.2fx %6.2fx\n", kernels[k], unit[timed[i]],
				nanoseconds(median(a)), spread(a), nanoseconds(la), nanoseconds(median(b)), spread(b), nanoseconds(lb),
				median(b) / median(a), lb / la
		}

	rule("How late a sleeper woke (median of the launches; of each 50 %, 90 %, 99 %, worst)")
	for (k = 1; k <= nkernels; k++)
		for (i = 1; i <= 2; i++) {
			item = i == 1 ? "timer_idle" : "timer_busy"
			for (m = 1; m <= nmodes; m++) {
				if (late[kernels[k], modes[m], item, 5] == "") continue
				printf "%-18s %-18s %-10s", kernels[k], unit[item], modes[m]
				for (f = 5; f <= 8; f++) printf " %9s", nanoseconds(median(late[kernels[k], modes[m], item, f]))
				print ""
			}
		}

	rule("What a kernel written for immediate delivery loses with --delivery=deferred")
	for (i = 1; i <= nbreaks; i++) printf "%s: %s\n", break_how[i] == "immediate" ? "annotated" : "VMI", break_text[i]
	if (!nbreaks) print "nothing that was looked at"
}
