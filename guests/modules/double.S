/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A module that makes a double fault: a push where there is no page, whose page fault finds no stack
 * for its frame. The kernel's gate for it is a task gate, so that it has one of its own.
 */
#include "module.h"

MODULE("double")

FUNCTION(init_module, .init.text)
	movl $0x10, %esp
	pushl %eax
	ret
END(init_module)

FUNCTION(cleanup_module, .exit.text)
	ret
END(cleanup_module)
