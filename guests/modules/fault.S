/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A module that makes the kernel report an oops: the instruction that faults lies between two
 * sensitive ones, in a window, so that it runs in a stub.
 */
#include "module.h"

MODULE("fault")

FUNCTION(init_module, .init.text)
	pushl %ebp
	movl %esp, %ebp
	call faults
	popl %ebp
	ret
END(init_module)

FUNCTION(faults, .text)
	pushl %ebp
	movl %esp, %ebp
	pushf
	movl 0x10, %eax
	popf
	popl %ebp
	ret
END(faults)

FUNCTION(cleanup_module, .exit.text)
	ret
END(cleanup_module)
