# Everything, for programs: the host, the summary, and each launch's figures.

FILENAME ~ /host.tsv$/ { host = host sprintf("%s\n    %s: %s", host ? "," : "", quote($1), quote($2)); next }
FILENAME ~ /summary.tsv$/ {
	summary = summary sprintf("%s\n    {\"item\": %s, \"unit\": %s, \"system\": %s, \"median\": %s, \"minimum\": %s, \"spread\": %s, \"launches\": %s}",
		summary ? "," : "", quote($1), quote($2), quote($3), $4, $5, $6, $7)
	next
}
{
	runs = runs sprintf("%s\n    {\"system\": %s, \"launch\": %s, \"item\": %s, \"unit\": %s, \"median\": %s, \"minimum\": %s}",
		runs ? "," : "", quote($1), $2, quote($3), quote($4), number($5), number($6))
}

function quote(text) {
	gsub(/\\/, "\\\\", text)
	gsub(/"/, "\\\"", text)
	return "\"" text "\""
}

function number(text) { return text == "-" ? "null" : text }

END { printf "{\n  \"host\": {%s\n  },\n  \"summary\": [%s\n  ],\n  \"runs\": [%s\n  ]\n}\n", host, summary, runs }
