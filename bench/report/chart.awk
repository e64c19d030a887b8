# The chart: items down, ratio to native across on a logarithmic scale, one mark for each system.

FILENAME ~ /host.tsv$/ { host[$1] = $2; next }
{ read_summary() }

BEGIN {
	row_height = 19
	left = 190
	width = 620
	right = 70
	top = 92
	colour["ring1"] = "#0b62c4"
	colour["qemu"] = "#d2691e"
	colour["uml"] = "#4a8f3c"
}

function log10(x) { return log(x) / log(10) }

function x_of(r) { return left + width * (log10(r) - log10(low)) / (log10(high) - log10(low)) }

# The nearest of 1, 2, 5 times a power of ten, downwards or upwards.
function round_down(r,    p) {
	p = 10 ^ floor(log10(r))
	return r >= 5 * p ? 5 * p : (r >= 2 * p ? 2 * p : p)
}
function round_up(r,    d) {
	d = round_down(r)
	if (d >= r) return d
	return round_down(d * 2.6)
}
function floor(x,    i) {
	i = int(x)
	return i > x ? i - 1 : i
}

function text(x, y, anchor, size, fill, what) {
	printf "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" font-size=\"%d\" fill=\"%s\">%s</text>\n", x, y, anchor, size, fill, what
}

function mark(name, x, y) {
	if (name == "ring1")
		printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" fill=\"%s\"/>\n", x, y, colour[name]
	else if (name == "qemu")
		printf "<rect x=\"%.1f\" y=\"%.1f\" width=\"8\" height=\"8\" fill=\"%s\"/>\n", x - 4, y - 4, colour[name]
	else
		printf "<path d=\"M%.1f %.1f l5.5 5.5 l-5.5 5.5 l-5.5 -5.5 z\" fill=\"%s\"/>\n", x, y - 5.5, colour[name]
}

function escape(what) {
	gsub(/&/, "\\&amp;", what)
	gsub(/</, "\\&lt;", what)
	return what
}

function times(r) { return sprintf((r >= 100 ? "%.0f" : (r >= 10 ? "%.1f" : "%.2f")) "\303\227", r) }

function axis(    decade, factor, r) {
	for (decade = 0.001; decade <= high * 1.01; decade *= 10)
		for (factor = 1; factor <= 5; factor += (factor == 1 ? 1 : 3)) {
			r = decade * factor
			if (r < low * 0.99 || r > high * 1.01) continue
			printf "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"%s\"/>\n", x_of(r), x_of(r), top - 6, bottom,
				factor == 1 ? "#bbbbbb" : "#e4e4e4"
			text(x_of(r), top - 12, "middle", 11, "#555555", r "\303\227")
		}
	printf "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"#000000\" stroke-width=\"1.5\"/>\n", x_of(1), x_of(1), top - 6, bottom
}

function legend(    s, x) {
	x = left
	for (s = 2; s <= nsystems; s++)
		if (measured[systems[s]]) {
			mark(systems[s], x, 54)
			text(x + 11, 58, "start", 12, "#222222", title[systems[s]])
			x += 110
		}
	text(x, 58, "start", 12, "#222222", "black line: native")
}

function row(item, n,    y) {
	y = top + (n - 0.5) * row_height
	if (n % 2) printf "<rect x=\"0\" y=\"%.1f\" width=\"%d\" height=\"%d\" fill=\"#f6f7f9\"/>\n", y - row_height / 2, left + width + right, row_height
	text(left - 10, y + 4, "end", 12, "#222222", item)
	if (ratio(item, "ring1")) text(left + width + right - 8, y + 4, "end", 11, colour["ring1"], times(ratio(item, "ring1")))
}

function marks(item, n,    s) {
	for (s = nsystems; s >= 2; s--)
		if (ratio(item, systems[s]) > 0) mark(systems[s], x_of(ratio(item, systems[s])), top + (n - 0.5) * row_height)
}

END {
	low = 0.5
	high = 10
	for (i = 1; i <= nitems; i++)
		for (s = 2; s <= nsystems; s++) {
			r = ratio(items[i], systems[s])
			if (r <= 0) continue
			if (!shown[items[i]]++) chart[++nchart] = items[i]
			if (r < low) low = round_down(r)
			if (r > high) high = round_up(r)
		}
	bottom = top + nchart * row_height
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\">\n", left + width + right, bottom + 34
	printf "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n"
	text(12, 26, "start", 16, "#000000", "ring1: time for the same work, relative to native (lower is better)")
	legend()
	for (i = 1; i <= nchart; i++) row(chart[i], i)
	axis()
	for (i = 1; i <= nchart; i++) marks(chart[i], i)
	text(12, bottom + 22, "start", 11, "#555555", escape(host["processor"] ", " host["host kernel"] "; ring1 " host["ring1"] "; " host["date"] "; numbers at the right: ring1"))
	print "</svg>"
}
