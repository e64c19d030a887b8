#!/bin/sh
# How a guest ended is what the exit status says.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

says() { grep -aqE -- "$1" "$scratch/words"; }
registers() { says 'eip [0-9a-f]{8} .*cs [0-9a-f]{4}' && says 'cr0 [0-9a-f]{8} cr2' && says 'eax [0-9a-f]{8}'; }

shell_does 'poweroff -f'
check "power-off: status 0" [ "$status" = 0 -a "$ended" = itself ]
shell_does 'halt -f'
check "halt: status 0" [ "$status" = 0 -a "$ended" = itself ]
shell_does 'reboot -f'
check "reset: status 0" [ "$status" = 0 -a "$ended" = itself ]

shell_does 'echo c >/proc/sysrq-trigger'
check "crash: status 1" [ "$status" = 1 -a "$ended" = itself ]
check "crash: the reason is named" says '^ring1: guest panic'
check "crash: with the registers" registers
check "crash: the kernel's own words reach the console" grep -aq 'Kernel panic' "$scratch/console"

shell_does 'echo c >/proc/sysrq-trigger' -a "quiet panic=0"
check "crash of a kernel that then waits for ever: status 1" [ "$status" = 1 -a "$ended" = itself ]

limited 30 "$scratch/words" "$ring1" run -k "$kernel" -a quiet
check "no root file system: status 1" [ "$status" = 1 -a "$ended" = itself ]
check "no root file system: the kernel's reason" says 'VFS: Unable to mount root fs'
check "no root file system: with the registers" registers

shell_does 'reboot -f' -a "quiet reboot=t"
check "triple fault: status 1" [ "$status" = 1 -a "$ended" = itself ]
check "triple fault: the reason is named" says '^ring1: guest: triple fault'
check "triple fault: with the registers" registers

limited 10 "$scratch/words" sh -c "ulimit -v 200000; exec '$ring1' run -k '$kernel' -m 512M"
check "too little address space on the host: status 3" [ "$status" = 3 ]
check "too little address space on the host: said so" says '^ring1: .*(memory|map)'
limited 10 "$scratch/words" sh -c "ulimit -n 4; exec '$ring1' run -k '$kernel'"
check "too few file descriptors: status 3" [ "$status" = 3 ]
check "too few file descriptors: said so" says '^ring1: .*[Tt]oo many open files'
done_testing
