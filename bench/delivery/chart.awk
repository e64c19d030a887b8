# Two rows of distributions for each kernel: how long waiting interrupts waited, how late sleepers woke. Shares up to a time.

BEGIN {
	left = 62; gap = 46; plot_width = 300; plot_height = 150; top = 70; row_height = 216
	colour["immediate"] = "#0b62c4"
	colour["deferred"] = "#d2691e"
	low = 7 # 2^7 ns
	high = 25
}

function x_of(p, l) { return left + (p - 1) * (plot_width + gap) + plot_width * ((l < low ? low : (l > high ? high : l)) - low) / (high - low) }
function y_of(row, share) { return top + (row - 1) * row_height + plot_height * (1 - share) }
function text(x, y, anchor, size, fill, what) {
	printf "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" font-size=\"%d\" fill=\"%s\">%s</text>\n", x, y, anchor, size, fill, what
}
function line(x1, y1, x2, y2, stroke) {
	printf "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", x1, y1, x2, y2, stroke
}

function frame(row, p, title,    d, names) {
	split("1 us,10 us,100 us,1 ms,10 ms", names, ",")
	for (d = 3; d <= 7; d++) {
		x = x_of(p, d * log(10) / log(2))
		line(x, y_of(row, 1), x, y_of(row, 0), "#dddddd")
		text(x, y_of(row, 0) + 14, "middle", 10, "#555555", names[d - 2])
	}
	for (d = 0; d <= 4; d++) {
		line(x_of(p, low), y_of(row, d / 4), x_of(p, high), y_of(row, d / 4), "#dddddd")
		if (p == 1) text(left - 6, y_of(row, d / 4) + 3, "end", 10, "#555555", d * 25 "%")
	}
	text(x_of(p, low), y_of(row, 1) - 8, "start", 11, "#222222", title)
}

# share[0..n-1] of buckets, each @step wide in log2, drawn as what came before the bucket's end
function curve(row, p, mode, values, n, step,    b, all, sum, d) {
	for (b = 0; b < n; b++) all += values[b]
	if (!all) return
	d = sprintf("M%.1f %.1f", x_of(p, low), y_of(row, 0))
	for (b = 0; b < n; b++) {
		sum += values[b]
		if ((b + 1) * step >= low && (b + 1) * step <= high) d = d sprintf(" L%.1f %.1f", x_of(p, (b + 1) * step), y_of(row, sum / all))
	}
	printf "<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>\n", d, colour[mode]
}

END {
	width = left + 3 * plot_width + 2 * gap + 20
	height = top + nkernels * row_height
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\">\n", width, height
	printf "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", width, height
	text(left, 22, "start", 15, "#222222", "Delivery of interrupts: on enable, or deferred")
	for (m = 1; m <= nmodes; m++) {
		line(left + (m - 1) * 120, 36, left + (m - 1) * 120 + 24, 36, colour[modes[m]])
		text(left + (m - 1) * 120 + 30, 40, "start", 12, colour[modes[m]], modes[m])
	}
	for (k = 1; k <= nkernels; k++) {
		frame(k, 1, kernels[k] ": wait of a masked interrupt")
		frame(k, 2, "lateness of a sleeper, idle guest")
		frame(k, 3, "lateness of a sleeper, busy guest")
		for (m = 1; m <= nmodes; m++) {
			for (b = 0; b < 40; b++) values[b] = delay[kernels[k], modes[m], b]
			curve(k, 1, modes[m], values, 40, 1)
			for (i = 1; i <= 2; i++) {
				for (b = 0; b < 160; b++) values[b] = bucket[kernels[k], modes[m], i == 1 ? "timer_idle" : "timer_busy", b]
				curve(k, 1 + i, modes[m], values, 160, 0.25)
			}
		}
	}
	print "</svg>"
}
