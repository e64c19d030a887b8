#!/bin/sh
# `ring1 vmi`: the call table of the ROM, and what kernels use of it.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

out=$scratch/out
row() { grep "^ *[0-9]* *$1 " "$out"; }
says() { row "$1" | grep -Eq "$2"; } # CALL PATTERN

calls=$(sed -n 's/^#define VMI_CALLS_3_1 \([0-9]*\).*/\1/p' include/vmi/vmi.h)

"$ring1" vmi >"$out" 2>&1
check "it prints a row for each call" [ "$(grep -c '^ *[0-9][0-9]*  [A-Za-z]' "$out")" = "$calls" ]
if reason=$(slow ROM_CALLS); then
	skip "some calls stay in the ROM" "$reason"
else
	check "reading CR2 stays in the ROM" says GetCR2 'CALL *0x[0-9a-f]* *stays'
	check "enabling interrupts may leave it" says EnableInterrupts 'CALL *0x[0-9a-f]* *may leave'
fi
if reason=$(slow ROM_IRET); then
	skip "returns may leave it" "$reason"
else
	check "returns may leave it" says IRET '(CALL|JUMP) *0x[0-9a-f]* *may leave'
fi
check "changing the address space leaves it" says SetCR3 'CALL *0x[0-9a-f]* *leaves'
check "the delay of old devices is to be dropped" says IODelay 'NOP *- *-'
# The offsets are those of the code: the symbols of the ROM say the same.
at=$(nm build/rom.elf | sed -n 's/^ff00\([0-9a-f]*\) . rom_vmi_GetCR2$/\1/p')
check "offsets are those of the code" says GetCR2 "$(printf '0x%04x' $((0x$at - 0x4000)))"

core=$(row GetCR2 | awk '{ print $5 }')

"$ring1" vmi "$kernel" >"$out" 2>&1
check "a kernel without VMI is told from one with it" grep -q 'does not speak VMI' "$out"
check "and uses no call" [ "$(grep -c ' asks ' "$out")" = 0 ]

"$ring1" vmi --json >"$out" 2>&1
check "--json has all calls" [ "$(grep -c '"number": ' "$out")" = "$calls" ]
said() { sed -n "/\"name\": \"$1\"/,/}/s/^ *\"$2\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}$/\1/p" "$out"; } # CALL FIELD
check "and says the same" [ "$(said GetCR2 core)" = "$core" ]

fails() { # STATUS WORD ARGUMENT...
	want=$1 word=$2
	shift 2
	status=0
	"$ring1" vmi "$@" >"$out" 2>&1 || status=$?
	check "'vmi $*' fails with $want and names it" [ "$status" = "$want" ]
	check "  with a message" grep -q -- "$word" "$out"
}
fails 2 /no/kernel /no/kernel
fails 2 /no/stats --stats=/no/stats
echo '{}' >"$scratch/empty.json"
fails 2 'empty.json: no statistics .*vmi' --stats="$scratch/empty.json"
fails 2 'README.md: no statistics .*line 1' --stats=README.md
fails 2 'tests: Is a directory' --stats=tests
fails 2 'one kernel' "$kernel" "$kernel"
check "--help tells the usage" grep -q "^usage: ring1 vmi" <<-EOF
$("$ring1" vmi --help)
EOF

# What the code of a kernel says, and what it does when it runs.
for name in 2.6.24-up 2.6.32-up 2.6.32-apic 2.6.36.2-up; do
	if ! vmi=$(vmi_kernel $name); then
		skip "$name asks for what its code says" "$vmi"
		continue
	fi
	limited 60 "$scratch/console" "$ring1" run -k "$vmi" -i "$test_initrd" -a "ring1.init=/bin/true quiet panic=1" \
		--stats="$scratch/stats.json"
	"$ring1" vmi "$vmi" --stats="$scratch/stats.json" >"$out" 2>&1
	check "$name: every number could be told from its code" [ -z "$(grep -w unknown "$out")" ]
	# Columns: number, name, answer, offset, core (one word or two), kernel, asked, called, left the ROM.
	table() {
		awk -v "what=$1" '$1 ~ /^[0-9]+$/ && NF > 8 {
			i = $5 == "may" ? 7 : 6
			asks = $i == "asks"; asked = $(i + 1); called = $(i + 2)
			if (what == "asks") n += asks
			if (what == "differ") n += asks != (asked > 0)
			if (what == "unasked") n += called && !asked
			if (what == "called") n += called > 0
		} END { print n + 0 }' "$out"
	}
	check "$name: its code asks for some 50 calls" [ "$(table asks)" -gt 40 ]
	# A kernel asks for all of them when it starts.
	check "$name: it asks for what its code says" [ "$(table differ)" = 0 ]
	check "$name: calls are made and counted" [ "$(table called)" -gt 20 ]
	check "$name: none that was not asked for" [ "$(table unasked)" = 0 ]
done
done_testing
