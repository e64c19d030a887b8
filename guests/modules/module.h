/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What makes an object file a module, without the kernel's headers: numbers that another module of
 * the same kernel shows (tests/system/modules.sh) come as MODULE_SIZE (bytes of struct module),
 * MODULE_INIT and MODULE_EXIT (offsets of its functions), MODULE_VERMAGIC and MODULE_LAYOUT (the
 * checksum of the structure). The name follows state and list, as in every kernel since 2.6.
 */
#define MODULE(name)                                                                               \
	.section __versions, "a";                                                                  \
versions:                                                                                          \
	.long MODULE_LAYOUT;                                                                       \
	.asciz "module_layout";                                                                    \
	.org versions + 64;                                                                        \
	MODULE_THAT_CALLS(name)

/* One that calls the kernel, whose checksums are not shown: CONFIG_MODULE_FORCE_LOAD lets it in. */
#define MODULE_THAT_CALLS(name)                                                                    \
	.section .modinfo, "a";                                                                    \
	.asciz "license=GPL";                                                                      \
	.asciz "vermagic=" MODULE_VERMAGIC;                                                        \
	.section .gnu.linkonce.this_module, "aw";                                                  \
	.balign 64;                                                                                \
	.globl __this_module;                                                                      \
__this_module:                                                                                     \
	.zero 12;                                                                                  \
	.asciz name;                                                                               \
	.org __this_module + MODULE_INIT;                                                          \
	.long init_module;                                                                         \
	.org __this_module + MODULE_EXIT;                                                          \
	.long cleanup_module;                                                                      \
	.org __this_module + MODULE_SIZE;                                                          \
	.section .note.GNU-stack, "", @progbits

#define FUNCTION(name, text)                                                                       \
	.section text, "ax";                                                                       \
	.globl name;                                                                               \
	.type name, @function;                                                                     \
	.balign 16;                                                                                \
name:

#define END(name) .size name, .- name
