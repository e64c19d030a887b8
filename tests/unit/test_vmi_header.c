/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * include/vmi/vmi.h against the ABI: literal numbers here, since kernels built in 2007 have them
 * too. Most of it is checked by the compiler already.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vmi/vmi.h"

#define AT(type, field, offset)                                                                    \
	_Static_assert(offsetof(struct type, field) == (offset), #type "." #field)

AT(vrom_header, rom_signature, 0x00);
AT(vrom_header, rom_length, 0x02);
AT(vrom_header, rom_entry, 0x03);
AT(vrom_header, rom_pad0, 0x07);
AT(vrom_header, vrom_signature, 0x08);
AT(vrom_header, api_version_min, 0x0c);
AT(vrom_header, api_version_maj, 0x0d);
AT(vrom_header, jump_slots, 0x0e);
AT(vrom_header, reserved1, 0x0f);
AT(vrom_header, virtual_top, 0x10);
AT(vrom_header, reserved2, 0x14);
AT(vrom_header, license_offs, 0x16);
AT(vrom_header, pci_header_offs, 0x18);
AT(vrom_header, pnp_header_offs, 0x1a);
AT(vrom_header, rom_pad3, 0x1c);
AT(vrom_header, reserved, 0x20);
AT(vrom_header, vmi_init, 0x80);
AT(vrom_header, get_reloc, 0x88);
_Static_assert(sizeof(struct vrom_header) == 0x90, "vrom_header");

AT(vmi_pci_header, vendor_id, 4);
AT(vmi_pci_header, device_id, 6);
AT(vmi_pci_header, size, 0xa);
AT(vmi_pci_header, chunks, 0x10);
AT(vmi_pci_header, rom_version_min, 0x12);
AT(vmi_pci_header, rom_version_maj, 0x13);
_Static_assert(sizeof(struct vmi_pci_header) == 24, "vmi_pci_header");

AT(vmi_pnp_header, next, 6);
AT(vmi_pnp_header, device_id, 0xa);
AT(vmi_pnp_header, manufacturer, 0xe);
AT(vmi_pnp_header, product, 0x10);
_Static_assert(sizeof(struct vmi_pnp_header) == 18, "vmi_pnp_header");

AT(vmi_relocation_info, eip, 0);
AT(vmi_relocation_info, type, 4);
_Static_assert(sizeof(struct vmi_relocation_info) == 8, "vmi_relocation_info");

AT(vmi_ap_state, cr0, 0);
AT(vmi_ap_state, cr2, 4);
AT(vmi_ap_state, cr3, 8);
AT(vmi_ap_state, cr4, 12);
AT(vmi_ap_state, efer, 16);
AT(vmi_ap_state, eip, 24);
AT(vmi_ap_state, eflags, 28);
AT(vmi_ap_state, eax, 32);
AT(vmi_ap_state, ebx, 36);
AT(vmi_ap_state, ecx, 40);
AT(vmi_ap_state, edx, 44);
AT(vmi_ap_state, esp, 48);
AT(vmi_ap_state, ebp, 52);
AT(vmi_ap_state, esi, 56);
AT(vmi_ap_state, edi, 60);
AT(vmi_ap_state, cs, 64);
AT(vmi_ap_state, ss, 66);
AT(vmi_ap_state, ds, 68);
AT(vmi_ap_state, es, 70);
AT(vmi_ap_state, fs, 72);
AT(vmi_ap_state, gs, 74);
AT(vmi_ap_state, ldtr, 76);
AT(vmi_ap_state, gdtr_limit, 78);
AT(vmi_ap_state, gdtr_base, 80);
AT(vmi_ap_state, idtr_base, 84);
AT(vmi_ap_state, idtr_limit, 88);
_Static_assert(sizeof(struct vmi_ap_state) == 92, "vmi_ap_state");

/* The list and the defines were written separately: each name has its number in both. */
#define SAME_NUMBER(number, name, text)                                                            \
	_Static_assert(VMI_CALL_##name == (number), #name " has two numbers");
VMI_CALLS(SAME_NUMBER)

/* One name twice would be one enumerator twice, which does not compile. */
#define ENUMERATOR(number, name, text) CALL_IS_LISTED_##name,
enum { VMI_CALLS(ENUMERATOR) LISTED_CALLS };
_Static_assert(LISTED_CALLS == 76 && VMI_NR_CALLS == 76, "0 to 75");

/* Enumerators count from 0, so this is completeness and order. */
#define IN_ORDER(number, name, text)                                                               \
	_Static_assert(CALL_IS_LISTED_##name == (number), #name " is out of order");
VMI_CALLS(IN_ORDER)

/* The numbers in kernel binaries: the ends of each run of related calls. */
_Static_assert(VMI_CALL_CPUID == 0 && VMI_CALL_SetGDT == 3 && VMI_CALL_GetTR == 10, "");
_Static_assert(VMI_CALL_WriteGDTEntry == 11 && VMI_CALL_UpdateKernelStack == 14, "");
_Static_assert(VMI_CALL_SetCR0 == 15 && VMI_CALL_GetCR4 == 22 && VMI_CALL_CLTS == 28, "");
_Static_assert(VMI_CALL_EnableInterrupts == 29 && VMI_CALL_DisableInterrupts == 30, "");
_Static_assert(VMI_CALL_GetInterruptMask == 31 && VMI_CALL_SetInterruptMask == 32, "");
_Static_assert(VMI_CALL_IRET == 33 && VMI_CALL_SYSEXIT == 34 && VMI_CALL_Halt == 35, "");
_Static_assert(VMI_CALL_SetPxE == 38 && VMI_CALL_UpdatePxELong == 41, "");
_Static_assert(VMI_CALL_MachineToPhysical == 42 && VMI_CALL_PhysicalToMachine == 43, "");
_Static_assert(VMI_CALL_AllocatePage == 44 && VMI_CALL_SetLinearMapping == 48, "");
_Static_assert(VMI_CALL_INL == 49 && VMI_CALL_OUTSW == 60 && VMI_CALL_SetIOPLMask == 61, "");
_Static_assert(VMI_CALL_SetInitialAPState == 62 && VMI_CALL_IODelay == 65, "");
_Static_assert(VMI_CALL_GetCycleFrequency == 66 && VMI_CALL_WallclockUpdated == 71, "");
_Static_assert(VMI_CALL_SetCallbacks == 72 && VMI_CALL_SetLazyMode == 73, "");
_Static_assert(VMI_CALL_EnableInterruptsDeferred == 74 && VMI_CALL_DeliverInterrupts == 75, "");

_Static_assert(VMI_API_MAJOR == 3 && VMI_API_MINOR == 1, "calls are appended: same major");

static const struct {
	const char *name, *text;
} calls[] = {
#define NAME_AND_TEXT(number, name, text) [number] = {#name, text},
    VMI_CALLS(NAME_AND_TEXT)};

static void signatures_are_the_bytes_a_guest_looks_for(void **state)
{
	static const struct vrom_header rom = {
	    .rom_signature = VMI_OPROM_SIGNATURE,
	    .vrom_signature = VMI_SIGNATURE,
	};
	static const uint32_t pci = VMI_PCI_SIGNATURE, pnp = VMI_PNP_SIGNATURE;

	(void)state;
	assert_memory_equal(&rom, "\x55\xaa", 2);
	assert_memory_equal((const char *)&rom + 8, "cVmi", 4);
	assert_memory_equal(&pci, "PCIR", 4);
	assert_memory_equal(&pnp, "$PnP", 4);
}

static void names_are_unique(void **state)
{
	(void)state;
	for (int i = 0; i < VMI_NR_CALLS; i++)
		for (int j = 0; j < i; j++)
			assert_string_not_equal(calls[i].name, calls[j].name);
}

/* `ring1 vmi` prints them in columns. */
static void texts_are_short_and_unique(void **state)
{
	(void)state;
	for (int i = 0; i < VMI_NR_CALLS; i++) {
		assert_in_range(strlen(calls[i].text), 1, 40);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(calls[i].text, calls[j].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(signatures_are_the_bytes_a_guest_looks_for),
	    cmocka_unit_test(names_are_unique),
	    cmocka_unit_test(texts_are_short_and_unique),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
