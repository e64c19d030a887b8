#!/usr/bin/awk -f
# The instructions that a function executes, by mnemonic, from `objdump -d --no-show-raw-insn`:
#   path.awk -v subject=FUNCTION [-v taken="WORD..."] LISTING
# Conditional jumps are not taken unless their mnemonic, or their number on the way (1, 2, ...), is in taken; JMP and CALL are
# followed. It ends at the function's RET, or where control leaves the listing (a jump through memory, a far call).
/^[0-9a-f]+ <.*>:$/ {
	name = $2
	gsub(/[<>:]/, "", name)
	start[name] = $1
	next
}
/^ *[0-9a-f]+:\t/ {
	at = $1
	sub(/:/, "", at)
	text = $0
	sub(/^ *[0-9a-f]+:\t/, "", text)
	sub(/^(cs|ss|ds|es|fs|gs) /, "", text)
	split(text, word, /[ \t]+/)
	mnemonic[at] = word[1]
	target[at] = word[2]
	if (last != "") following[last] = at
	last = at
}
END {
	if (!(subject in start)) {
		print "no function " subject >"/dev/stderr"
		exit 1
	}
	n = split(taken, list, " ")
	for (i = 1; i <= n; i++) is_taken[list[i]] = 1
	at = start[subject]
	sub(/^0+/, "", at)
	for (steps = 0; steps < 200 && at in mnemonic; steps++) {
		m = mnemonic[at]
		printf "%s%s", steps ? " " : "", m
		if (m ~ /^retl?$/) {
			if (!depth) break
			at = back[depth--]
		} else if (m == "call") {
			back[++depth] = following[at]
			at = target[at]
		} else if (m == "jmp") {
			at = target[at]
		} else if (m ~ /^j/ && ((++jumps in is_taken) || (m in is_taken))) {
			at = target[at]
		} else {
			at = following[at]
		}
	}
	print ""
}
