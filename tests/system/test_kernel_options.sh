#!/bin/sh
# Debian's kernels with options that choose other paths through them, each shown to be in force and then to run programs.
# Time limit: 600 s
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

says() { tr -d '\r' <"$scratch/out" | grep -aqE "$1"; }
says_not() { ! says "$1"; }
passed() {
	[ "$ended" = itself ] && [ "$status" = 0 ] && says '^ring1: selftest passed$' && return
	tr -d '\r' <"$scratch/out" | grep -aE '^(#|not ok |ring1:)' | tail -n 40 | sed 's/^/#   /'
	show "$scratch/out" 10
	return 1
}

unkept_passed() { says '^ok 1 - unkept registers' && passed; }

# What programs notice first when page tables, entries from user mode or switches of processes are wrong.
some='ring1.init=selftest ring1.checks=processes'

# boot KERNEL ARGUMENTS [OPTION]...
boot() {
	image=$1 arguments=$2
	shift 2
	limited 120 "$scratch/out" "$ring1" run -k "$image" -i "$initrd" -a "$arguments" "$@"
}

# on KERNEL OPTIONS says|says_not PATTERN: of the kernel's messages
on() {
	boot "$1" "$some $2"
	name=$(basename "$(dirname "$1")")
	check "$name with $2: it is in force" "$3" "$4"
	check "$name with $2: programs run" passed
}

# Isolation exists with PAE only; a CPU that needs none has it when told so.
boot "$kernel_pae" "ring1.init=selftest pti=on"
check "debian-686-pae with pti=on: it is in force" says 'page tables isolation: enabled'
check "debian-686-pae with pti=on: the whole self-test passes" passed

for image in "$kernel" "$kernel_pae"; do
	name=$(basename "$(dirname "$image")")
	# KASLR itself: test_kaslr.
	defaults=$("$ring1" run --help | sed -n 's/^ *\(console=.*\)$/\1/p')
	boot "$image" "$defaults $some" --no-defaults
	check "$name without default arguments: those given are all" says "Kernel command line: $defaults $some\$"
	check "$name without default arguments: programs run" passed
	check "$name without mitigations=off mitigates" says 'Spectre V2 : Mitigation'
	on "$image" mitigations=off says_not 'Spectre V2 : Mitigation'
	on "$image" clearcpuid=pge says 'Clearing CPUID bits: pge'
done
on "$kernel" noxsave says 'x87 FPU will use FXSAVE'
for option in noxsave nofxsr clearcpuid=avx512f; do
	boot "$kernel" "ring1.init=selftest ring1.checks=unkept $option"
	check "$(basename "$(dirname "$kernel")") with $option: what it does not keep is never another process's" unkept_passed
done
on "$kernel" nopat says 'PAT support disabled'
# Programs then enter the kernel by int $0x80.
on "$kernel" clearcpuid=sep says 'Clearing CPUID bits: sep'
on "$kernel_pae" nosmp says 'SMP disabled'
on "$kernel_pae" maxcpus=1 says 'Brought up 1 node, 1 CPU'
done_testing
