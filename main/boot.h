/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a machine finds in its memory and registers when it starts. */
#ifndef MAIN_BOOT_H
#define MAIN_BOOT_H

#include "loader/loader.h"
#include "main/run_options.h"
#include "main/vm.h"

/*
 * What any stock kernel needs to know here: the console, the hole, and what this machine has
 * not (a missing keyboard costs time to look for). User page tables in high memory (CONFIG_HIGHPTE)
 * would be mapped and taken away again two times for each page fault. The user's arguments come
 * last and win.
 */
#define DEFAULT_ARGUMENTS                                                                          \
	"console=ttyS0 reservetop=16M pci=conf1 i8042.noaux tsc=reliable panic=-1 "                \
	"random.trust_cpu=on noisapnp cryptomgr.notests userpte=nohigh"
/* Comparing ACPI's timer with the PIT takes a kernel 40 ms, and it has better clocks. */
#define ACPI_ARGUMENTS     " pmtmr=0"
#define NO_ACPI_ARGUMENTS  " acpi=off"
#define NO_APIC_ARGUMENTS  " noapic nolapic"
/* A kernel that lies elsewhere each time is annotated each time, and no System.map fits it. */
#define NO_KASLR_ARGUMENTS " nokaslr"
/* Its registers by ports: an access is a far call, and one to device memory a host signal. */
#define RTL8139_ARGUMENTS  " 8139too.use_io=1"

/**
 * boot_load - put kernel, initial RAM disk, arguments and the firmware's tables into the guest's
 * memory, and say where the first processor begins
 *
 * @vm: its memory all zero; @k: opened. Returns 0, or an exit status with the reason printed.
 */
int boot_load(struct vm *vm, struct kernel *k, const struct run_options *o);

/** boot_status - the exit status for what the loader says, which is printed */
int boot_status(const struct loader_error *e);

#endif
