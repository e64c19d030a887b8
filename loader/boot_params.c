// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The zero page: struct boot_params of <asm/bootparam.h>, fields as explained in
 * Documentation/x86/boot.rst and zero-page.rst.
 */
#include "loader/internal.h"

#include <asm/bootparam.h>

#define LOADER_TYPE_UNDEFINED 0xff   /* boot.rst, type_of_loader: no assigned number */
#define VIDEO_MODE_NORMAL     0xffff /* boot.rst, vid_mode: "normal" */
#define ELF_PROTOCOL          0x020c /* what the zero page of a plain vmlinux claims */

#define E820_RAM      1
#define E820_RESERVED 2
#define BIOS_END      0x100000

_Static_assert(sizeof(struct boot_params) == PAGE, "the zero page is one page");
_Static_assert(offsetof(struct boot_params, hdr) == 0x1f1, "setup header at 0x1f1");
_Static_assert(0x290 - offsetof(struct boot_params, hdr) == KERNEL_SETUP_HEADER_MAX,
               "the setup header ends where edd_mbr_sig_buffer begins");

/* What a boot sector would have said, for a kernel that comes without one. */
static void default_header(struct setup_header *h)
{
	h->setup_sects = 4;
	h->root_flags = 1; /* mount the root file system read-only, as kernels are built */
	h->vid_mode = VIDEO_MODE_NORMAL;
	h->boot_flag = 0xaa55;
	memcpy(&h->header, "HdrS", 4);
	h->version = ELF_PROTOCOL;
	h->loadflags = LOADED_HIGH;
}

/*
 * The fields that boot.rst marks "write" or "modify": the loader's to set. The heap fields
 * stay as they are, since only real-mode code uses them and it does not run.
 */
static void fill_header(struct setup_header *h, const struct kernel *k, uint32_t initrd_pa,
                        uint32_t initrd_size)
{
	h->type_of_loader = LOADER_TYPE_UNDEFINED;
	h->ext_loader_type = 0;
	h->ext_loader_ver = 0;
	h->loadflags &= ~(KEEP_SEGMENTS | CAN_USE_HEAP | KASLR_FLAG);
	if (k->randomized)
		h->loadflags |= KASLR_FLAG;
	h->code32_start = k->entry_pa;
	h->ramdisk_image = initrd_pa;
	h->ramdisk_size = initrd_size;
	h->cmd_line_ptr = LOADER_CMDLINE_PA;
	h->hardware_subarch = 0; /* a PC */
	h->hardware_subarch_data = 0;
	h->setup_data = 0;
}

static void add_e820(struct boot_params *b, uint64_t from, uint64_t to, uint32_t type)
{
	struct boot_e820_entry *entry = &b->e820_table[b->e820_entries++];

	entry->addr = from;
	entry->size = to - from;
	entry->type = type;
}

void boot_params_write(const struct kernel *k, uint8_t *ram, uint64_t ram_size, uint32_t initrd_pa,
                       uint32_t initrd_size, uint32_t rsdp_pa)
{
	struct boot_params *b = (struct boot_params *)(ram + LOADER_PARAMS_PA);

	/* screen_info stays zero: no lines and columns means no VGA text console. */
	memset(b, 0, sizeof *b);
	if (k->setup_header_size > 0)
		memcpy((uint8_t *)b + offsetof(struct boot_params, hdr), k->setup_header,
		       k->setup_header_size);
	else
		default_header(&b->hdr);
	fill_header(&b->hdr, k, initrd_pa, initrd_size);

	b->acpi_rsdp_addr = rsdp_pa; /* protocol 2.14; padding to older kernels */
	add_e820(b, 0, LOADER_LOWMEM_END, E820_RAM);
	add_e820(b, LOADER_LOWMEM_END, BIOS_END, E820_RESERVED);
	add_e820(b, BIOS_END, ram_size, E820_RAM);
}
