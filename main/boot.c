// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/boot.h"

#include "loader/acpi.h"
#include "loader/mptable.h"
#include "main/command.h"
#include "main/devices.h"
#include "main/vrom.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

int boot_status(const struct loader_error *e)
{
	complain("%s", e->text);
	return e->kind == LOADER_EHOST ? EXIT_HOST : EXIT_USAGE;
}

/*
 * Kernels before 4.20 with CONFIG_PARAVIRT copy their native instructions (CLI, PUSHF, IRET)
 * from templates over the calls of them, at boot: behind the annotator's back. Told not to,
 * they keep calling the annotated functions. With VMI the same step installs the ROM's calls.
 */
static bool copies_instructions(const struct kernel *k, bool vmi)
{
	int major = 0, minor = 0;

	return !(vmi && k->speaks_vmi) && kernel_section(k, ".parainstructions") &&
	       sscanf(k->version, "%d.%d", &major, &minor) == 2 &&
	       (major < 4 || (major == 4 && minor < 20));
}

/*
 * Linux 2.6.30 to 2.6.34 maps its firmware's tables where the fixed mappings were before
 * reservetop= moved them, and faults (fixed by its commit e67a807f3d9a). With a VMI ROM they move
 * earlier. Without one the kernel must not find a table.
 */
static bool cannot_map_tables(const struct kernel *k, bool vmi)
{
	int minor = 0;

	return !(vmi && k->speaks_vmi) && sscanf(k->version, "2.6.%d", &minor) == 1 &&
	       minor >= 30 && minor <= 34;
}

static const char *acpi_arguments(bool acpi)
{
	return acpi ? ACPI_ARGUMENTS : NO_ACPI_ARGUMENTS;
}

static const char *card_arguments(const struct devices *devices)
{
	for (unsigned i = 0; devices && i < devices->count; i++)
		if (devices->list[i].shown.id == RTL8139_ID)
			return RTL8139_ARGUMENTS;
	return "";
}

int boot_load(struct vm *vm, struct kernel *k, const struct run_options *o)
{
	char arguments[8192];
	struct boot_request request = {
	    .ram = vm->ram, .ram_size = vm->ram_size, .initrd_path = o->initrd};
	struct boot_result result;
	struct loader_error e;
	struct machine *m = vm->machine;
	bool tables = !cannot_map_tables(k, !o->no_vmi), acpi = tables && !o->no_acpi;
	bool is_linux = k->format != KERNEL_MULTIBOOT, bare = o->bare || !is_linux;
	int n = snprintf(arguments, sizeof arguments, "%s%s%s%s%s%s%s%s%s%s",
	                 bare ? "" : DEFAULT_ARGUMENTS, bare || o->kaslr ? "" : NO_KASLR_ARGUMENTS,
	                 bare ? "" : acpi_arguments(acpi), bare || o->apic ? "" : NO_APIC_ARGUMENTS,
	                 bare ? "" : card_arguments(vm->devices),
	                 !bare && copies_instructions(k, !o->no_vmi) ? " noreplace-paravirt" : "",
	                 o->image && !bare ? " " : "", o->image && !bare ? o->boot.arguments : "",
	                 bare || !*o->arguments ? "" : " ", o->arguments);

	if (n < 0 || (size_t)n >= sizeof arguments) {
		complain("the kernel arguments are longer than %zu bytes", sizeof arguments - 1);
		return EXIT_USAGE;
	}
	request.command_line = arguments;
	request.rsdp_pa = acpi ? ACPI_PA : 0;
	if (k->wants_video)
		complain("%s: asks for a video mode; there is none", k->path);
	if (is_linux && !strstr(arguments, "reservetop=") && !k->speaks_vmi)
		complain(
		    "without reservetop=16M among its arguments the kernel will use the top of "
		    "its address space, which ring1 needs: expect it to fail");
	if (o->kaslr && !(k->randomizes && k->nrelocations))
		complain("%s: is no kernel that chooses where it lies: --kaslr=on changes nothing",
		         k->path);
	if (getrandom(&request.random, sizeof request.random, 0) < 0) {
		complain("the host gives no random numbers: %s", strerror(errno));
		return EXIT_HOST;
	}
	huge_pages_expect(&vm->huge, k->low_pa, k->high_pa);
	if (kernel_load(k, &request, &result, &e))
		return boot_status(&e);
	if (tables)
		mptable_write(vm->ram, o->apic);
	if (acpi)
		acpi_write(vm->ram, o->apic);
	if (!o->no_vmi)
		vrom_write(vm->ram);
	vm->vcpu->count_calls = o->count_calls;
	m->boot.eip = result.entry_pa;
	m->boot.esi = result.esi;
	m->boot.eax = result.eax;
	m->boot.ebx = result.ebx;
	m->boot.esp = result.stack_pa;
	m->boot.gdt = result.gdt_pa;
	m->boot.gdt_limit = result.gdt_limit;
	m->user_top = k->kernel_base >= 0x40000000 ? k->kernel_base & 0xffc00000 : 0xc0000000;
	m->mixed_half = k->kernel_base < m->user_top;
	return 0;
}
