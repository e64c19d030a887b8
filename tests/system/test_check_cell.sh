#!/bin/sh
# scripts/check-cell, which every build of the cell program goes through, finds what it is there to find.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# build NAME SOURCE [OPTION]...: a tiny freestanding program, linked as the cell is (without its linker script, which
# refuses writable data on its own).
build() {
	printf '%s\n' "$2" >"$scratch/$1.c"
	source=$1
	shift 2
	gcc -O1 -ffreestanding -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables -fno-pie "$@" -c \
		-o "$scratch/$source.o" "$scratch/$source.c" &&
		ld -m elf_x86_64 -static -nostdlib -z noexecstack -e f -o "$scratch/$source" "$scratch/$source.o"
}
refused() {
	! scripts/check-cell "$scratch/$1" 2>"$scratch/out" && grep -q "$2" "$scratch/out"
}

build clean 'int f(int x) { return x + 1; }' -mgeneral-regs-only
check "a clean program passes" scripts/check-cell "$scratch/clean"
check "the cell itself passes" scripts/check-cell build/cell.elf
build data 'int g = 5; int f(int x) { return g += x; }' -mgeneral-regs-only
check "a writable global is found" refused data writable
build bss 'static int g; int f(int x) { return g += x; }' -mgeneral-regs-only
check "a zeroed writable global is found" refused bss writable
build vector 'double f(double x) { return x * 2; }'
check "a use of XMM registers is found" refused vector 'FPU or vector'
build x87 'long double f(long double x) { return x * 2; }'
check "a use of the x87 is found" refused x87 'FPU or vector'
build mmx '__attribute__((naked)) void f(void) { __asm__("movq %mm0, %mm1"); }'
check "a use of MMX registers is found" refused mmx 'FPU or vector'
build emms '__attribute__((naked)) void f(void) { __asm__("fninit"); }'
check "an FPU instruction without operands is found" refused emms 'FPU or vector'
done_testing
