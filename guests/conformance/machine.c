// SPDX-License-Identifier: GPL-2.0-or-later
/* The ROM's two entries, and the calls that are left: 36, 37, 65 and 72. */
#include "conformance.h"

/* ---- the ROM ---- */

static const uint8_t *rom_bytes(void)
{
	return (const uint8_t *)rom;
}

TEST(VMI_Init, "is found in a ROM whose bytes add up to 0, with a true length")
{
	uint8_t sum = 0;

	check_equal(rom->rom_signature, VMI_OPROM_SIGNATURE);
	check(rom->rom_length > 0);
	check((uint32_t)rom - PAGE_OFFSET + rom->rom_length * VMI_ROM_UNIT <= VMI_ROM_SEARCH_END);
	for (unsigned i = 0; i < rom->rom_length * VMI_ROM_UNIT; i++)
		sum += rom_bytes()[i];
	check_equal(sum, 0);
}

TEST(VMI_Init, "is found in a ROM that names licence, version and maker")
{
	const struct vmi_pci_header *pci;
	const struct vmi_pnp_header *pnp;
	const char *licence = (const char *)rom + rom->license_offs;

	check_equal(rom->api_version_maj, VMI_API_MAJOR);
	check_equal(rom->api_version_min, VMI_API_MINOR);
	check(rom->license_offs != 0);
	check(licence[0] == 'G' && licence[1] == 'P' && licence[2] == 'L');
	check(rom->pci_header_offs != 0);
	pci = (const struct vmi_pci_header *)(rom_bytes() + rom->pci_header_offs);
	check_equal(pci->signature, VMI_PCI_SIGNATURE);
	check_equal(pci->size, VMI_PCI_HEADER_SIZE);
	check(rom->pnp_header_offs != 0);
	pnp = (const struct vmi_pnp_header *)(rom_bytes() + rom->pnp_header_offs);
	check_equal(pnp->signature, VMI_PNP_SIGNATURE);
	check(pnp->manufacturer && pnp->product);
	check((rom->virtual_top & 0x3fffff) == 0 && rom->virtual_top > 0xf0000000);
}

TEST(VMI_Init, "leaves CS and SS with the kernel's level, which is not 0 and not 3")
{
	uint32_t cs, ss;

	__asm__ volatile("movl %%cs, %0; movl %%ss, %1" : "=r"(cs), "=r"(ss));
	check_equal(cs & 3, ss & 3);
	check((cs & 3) == 1 || (cs & 3) == 2);
	check_equal(cs & 0xfffc, KERNEL_CS);
	check_equal(ss & 0xfffc, KERNEL_DS);
}

/* group_setup() comes behind it, and nothing between enables interrupts. */
static uint32_t flags_after_init;

void group_setup(void)
{
	flags_after_init = get_eflags();
}

TEST(VMI_Init, "leaves the interrupt flag clear, and clears it when called again")
{
	check(!(flags_after_init & EFLAGS_IF));
	VMI(EnableInterrupts);
	rom_init();
	check(!(get_eflags() & EFLAGS_IF));
}

TEST(VMI_Init, "may be called again, and changes nothing else")
{
	uint32_t before[4] = {(uint32_t)VMI(GetCR0), (uint32_t)VMI(GetCR3), (uint32_t)VMI(GetCR4),
	                      (uint32_t)VMI(GetTR)};
	uint32_t cs;

	rom_init();
	rom_init();
	check_equal((uint32_t)VMI(GetCR0), before[0]);
	check_equal((uint32_t)VMI(GetCR3), before[1]);
	check_equal((uint32_t)VMI(GetCR4), before[2]);
	check_equal((uint32_t)VMI(GetTR), before[3]);
	__asm__ volatile("movl %%cs, %0" : "=r"(cs));
	check_equal(cs & 0xfffc, KERNEL_CS);
	timer_pend();
	VMI(EnableInterrupts);
	check_equal(interrupts(TIMER_IRQ), 1);
}

/* Calls one of the ROM's entries as call_rom() calls a call, and compares what must be kept. */
static void entry_keeps(uint32_t entry, uint32_t eax)
{
	uint32_t at = (uint32_t)call_site + sizeof call_site;

	for (unsigned i = 0; i < 4; i++) {
		call_reset();
		call_in.eax = eax;
		call_in.fs = i & 1 ? 0 : PERCPU;
		call_in.gs = i & 1 ? USER_DS : 0;
		call_in.eflags |= i & 2 ? EFLAGS_ARITHM : 0;
		for (unsigned k = 0; k < 4; k++)
			call_site[1 + k] = (uint8_t)(((uint32_t)rom + entry - at) >> 8 * k);
		call_rom();
		check_equal(call_out.ebx, call_in.ebx);
		check_equal(call_out.esi, call_in.esi);
		check_equal(call_out.edi, call_in.edi);
		check_equal(call_out.ebp, call_in.ebp);
		check_equal(call_out.esp, call_in.esp);
		check_equal(call_out.ds, call_in.ds);
		check_equal(call_out.es, call_in.es);
		check_equal(call_out.fs, call_in.fs);
		check_equal(call_out.gs, call_in.gs);
		check_equal(call_out.eflags & ~EFLAGS_ARITHM, call_in.eflags & ~EFLAGS_ARITHM);
	}
}

TEST(VMI_Init, "answers 0 and keeps EBX, ESI, EDI, EBP, ESP and the segments")
{
	entry_keeps(VMI_ROM_INIT, 0xeaeaeaea);
	check_equal(call_out.eax, 0);
}

TEST(VMI_GetRelocationInfo, "keeps EBX, ESI, EDI, EBP, ESP and the segments")
{
	entry_keeps(VMI_ROM_GET_RELOC, VMI_CALL_IRET);
	entry_keeps(VMI_ROM_GET_RELOC, 0xffffffff);
}

TEST(VMI_GetRelocationInfo, "answers NONE for every number that is no call")
{
	static const uint32_t unknown[] = {VMI_NR_CALLS, VMI_NR_CALLS + 1, 100,        255,
	                                   256,          0x10000,          0x1fffffff, 0x20000000,
	                                   0x40000000,   0x7fffffff,       0x80000000, 0xfffffff8,
	                                   0xffffffff};

	for (unsigned i = 0; i < sizeof unknown / sizeof *unknown; i++)
		check_equal(relocation(unknown[i]).type, VMI_RELOCATION_NONE);
}

TEST(VMI_GetRelocationInfo, "offers every call, at an address of the hypervisor's own")
{
	for (uint32_t i = 0; i < VMI_NR_CALLS; i++) {
		struct vmi_relocation_info r = relocation(i);

		if (r.type == VMI_RELOCATION_NOP)
			continue;
		check_equal(r.type, VMI_RELOCATION_CALL_REL);
		check(r.eip >= rom->virtual_top);
	}
}

TEST(VMI_GetRelocationInfo, "answers CALL_REL where Linux can take no other: IRET and the timer")
{
	static const uint8_t needed[] = {VMI_CALL_IRET,
	                                 VMI_CALL_SYSEXIT,
	                                 VMI_CALL_GetCycleFrequency,
	                                 VMI_CALL_GetCycleCounter,
	                                 VMI_CALL_SetAlarm,
	                                 VMI_CALL_CancelAlarm,
	                                 VMI_CALL_GetWallclockTime};

	for (unsigned i = 0; i < sizeof needed; i++)
		check_equal(relocation(needed[i]).type, VMI_RELOCATION_CALL_REL);
}

TEST(VMI_GetRelocationInfo, "gives the same answer each time, for as long as the guest runs")
{
	for (uint32_t i = 0; i < VMI_NR_CALLS; i++) {
		struct vmi_relocation_info a = relocation(i), b = relocation(i);

		check_equal(a.eip, b.eip);
		check_equal(a.type, b.type);
	}
}

/* ---- the rest ---- */

TEST(IODelay, "is answered NOP: there is nothing to wait for")
{
	check_equal(relocation(VMI_CALL_IODelay).type, VMI_RELOCATION_NOP);
}

TEST(SetCallbacks, "answers 0 and follows no pointer")
{
	static const uint32_t values[] = {0, 1, 0x00900000, 0xffffffff};

	for (unsigned i = 0; i < 4; i++)
		check_equal((uint32_t)VMI(SetCallbacks, values[i], values[3 - i], values[i]), 0);
}

TEST(SetCallbacks, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(SetCallbacks, 0x00900000, 0xffffffff);
}

/* ---- what ends the guest: one at a time, by the kernel's arguments (test_conformance.sh) ---- */

static void end(const char *word, unsigned number, uint32_t eax)
{
	if (!command_line_has(word)) {
		test_skip("asked for by an argument");
		return;
	}
	print("# leaving by %s\n", word);
	call(number, eax, 0, 0, 0, 0);
	print("# came back\n");
}

TEST(Shutdown, "powers the machine off")
{
	end("end=shutdown", VMI_CALL_Shutdown, 0);
}

TEST(Reboot, "resets the machine, soft")
{
	end("end=soft", VMI_CALL_Reboot, VMI_REBOOT_SOFT);
}

TEST(Reboot, "resets the machine, hard")
{
	end("end=hard", VMI_CALL_Reboot, VMI_REBOOT_HARD);
}

TEST(Reboot, "takes any other value for hard")
{
	end("end=other", VMI_CALL_Reboot, 0xffffffff);
}
