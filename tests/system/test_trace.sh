#!/bin/sh
# --trace: what the core records, as text and as JSON for Chrome, is what --stats counts.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
out=$scratch/out
stats=$scratch/stats.json
# A guest that ends by itself: a few hundred interrupts, faults and switches. traced GROUPS FILE
traced() { limited 60 "$out" "$ring1" run -k "$kernel" -i "$initrd" -a "quiet ring1.init=/bin/uname" --stats="$stats" --trace "$1:$2"; }
parsed() { build/test/trace_json "$1" >"$scratch/seen"; }
sum() {
	total=0
	for name; do total=$((total + $(count "$stats" "$name"))); done
	echo $total
}

# These few none of which is lost.
traced interrupts,faults,switches "$scratch/text"
check "text: the guest ends as always" [ "$status$ended" = 0itself ]
check "text: nothing was lost" [ "$(grep -c 'are missing' "$out")" = 0 ]
lines() { awk -v group="$1" '$2 == group' "$scratch/text" | wc -l; }
check "text: each interrupt that was delivered" [ "$(lines interrupts)" -gt 0 -a "$(lines interrupts)" = "$(count "$stats" interrupt)" ]
check "text: each load of CR3" [ "$(lines switches)" -gt 0 -a "$(lines switches)" = "$(count "$stats" cr3_load)" ]
check "text: each exception" [ "$(lines faults)" -gt 0 -a "$(lines faults)" = "$(sum exception page_fault_user page_fault_kernel)" ]
check "text: nothing that was not asked for" [ "$(wc -l <"$scratch/text")" = $(($(lines interrupts) + $(lines switches) + $(lines faults))) ]
check "text: page faults with their address" grep -qE ' faults +[0-9a-f]{8}  exception 14 [0-9a-f]{8} [0-9a-f]{8}$' "$scratch/text"
check "text: EIP is the kernel's, not that of a stub" [ "$(awk '$3 >= "ff010000"' "$scratch/text" | wc -l)" = 0 ]
check "text: times do not go back" [ "$(awk '$1 + 0 < last + 0 { n++ } { last = $1 } END { print n + 0 }' "$scratch/text")" = 0 ]

traced io,switches "$scratch/trace.json"
check "JSON: the guest ends as always" [ "$status$ended" = 0itself ]
check "JSON: is read by a parser, each event with what a viewer needs" parsed "$scratch/trace.json"
events() { awk -v group="$1" '$1 == group { print $2 }' "$scratch/seen"; }
check "JSON: each load of CR3" [ "$(events switches)" = "$(count "$stats" cr3_load)" ]
check "JSON: each access to a port, and some to the APICs" [ "$(events io)" -ge "$(count "$stats" port_io)" ]
check "JSON: nothing that was not asked for" [ "$(wc -l <"$scratch/seen")" = 2 ]

traced all "$scratch/all.json"
check "all: the guest ends as always" [ "$status$ended" = 0itself ]
check "all: a whole trace" parsed "$scratch/all.json"
check "all: exits, with the time each took" [ "$(events exits)" -gt 1000 ]
check "all: exits by far call and by fault" grep -q '"name":"fault 14","cat":"exits"' "$scratch/all.json"
check "all: and of rewritten instructions" grep -q '"name":"site","cat":"exits"' "$scratch/all.json"

# The end of each life is in the file once.
limited 60 "$out" "$ring1" run -k build/guests/multiboot/plain.elf -a 'one two=3' --console "unix:$scratch/console" --trace exits:"$scratch/lives.json"
check "in a process of its own: a whole trace as well" parsed "$scratch/lives.json"

if image=$(vmi_kernel 2.6.32-up); then
	limited 60 "$out" "$ring1" run -k "$image" -i "$RING1_VMI_KERNELS/initramfs/musl.cpio.gz" -a 'ring1.init=/bin/true panic=1' \
		--stats="$stats" --trace vmi:"$scratch/vmi"
	check "VMI calls that left the ROM" grep -qE ' vmi +[0-9a-f]{8}  [A-Za-z0-9_]+$' "$scratch/vmi"
else
	skip "VMI calls" "$image"
fi

for spec in nonsense exits,nonsense '' exits:/no/such/file; do
	status=0
	"$ring1" run -k "$kernel" --trace "$spec" </dev/null >"$out" 2>&1 || status=$?
	check "--trace '$spec' is refused" [ "$status" = 2 ]
	check "  and named" grep -q -- "--trace $spec" "$out"
done
# A disk that is full: said once, and the guest goes on.
if [ -c /dev/full ]; then
	limited 60 "$out" "$ring1" run -k "$kernel" -i "$initrd" -a "quiet ring1.init=/bin/uname" --trace all:/dev/full
	check "no room for the trace: the guest ends as always" [ "$status$ended" = 0itself ]
	check "no room for the trace: said" grep -q 'cannot write /dev/full' "$out"
fi
done_testing
