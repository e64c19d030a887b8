// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fuzz/host/memory.h"

#include "cell/host.h"
#include "core/paging.h"
#include "core/segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Guest-physical pages. */
enum {
	PA_DIRECTORY,
	PA_TABLE_CODE,
	PA_TABLE_DATA,
	PA_TABLE_KERNEL,
	PA_GDT,
	PA_LDT,
	PA_CODE,
	PA_CONST,
	PA_DATA,
	PA_END = PA_DATA + HOST_DATA_PAGES
};

#define GDT_BYTES  128u /* as the host's: selectors beyond are beyond */
#define RAM_BYTES  ((uint64_t)PA_END * PAGE_SIZE)
#define USER_CODE  0x23u
#define IMAGES     16
#define IMAGE_SIZE ((HOST_DATA_PAGES + 1) * PAGE_SIZE)

static uint32_t ldt[HOST_LDT][2];
static uint8_t images[IMAGES][IMAGE_SIZE];

uint32_t host_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

uint8_t *host_data(void)
{
	return RAM + PA_DATA * PAGE_SIZE;
}

uint8_t *host_const(void)
{
	return RAM + PA_CONST * PAGE_SIZE;
}

uint8_t *host_code(void)
{
	return RAM + PA_CODE * PAGE_SIZE;
}

static void map_at(uint64_t va, uint64_t size, int prot, int fd, uint64_t offset)
{
	int flags = MAP_FIXED_NOREPLACE | MAP_POPULATE |
	            (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED);

	/* struct cell has 8 MiB of copies that are never touched here. */
	if (fd < 0)
		flags &= ~MAP_POPULATE;
	if (mmap((void *)va, size, prot, flags, fd, (off_t)offset) != (void *)va) {
		perror("mmap");
		exit(1);
	}
}

static void *page(unsigned n)
{
	return RAM + n * PAGE_SIZE;
}

static void map_guest(uint32_t va, unsigned pages, unsigned pa, unsigned table, uint64_t rights)
{
	uint32_t *directory = page(PA_DIRECTORY), *entries = page(table);

	directory[va >> 22] = table * PAGE_SIZE | PTE_P | PTE_W | PTE_U | PTE_A;
	for (unsigned i = 0; i < pages; i++)
		entries[(va >> 12 & 1023) + i] =
		    (pa + i) * PAGE_SIZE | (uint32_t)rights | PTE_P | PTE_A | PTE_D;
}

/* @type: bits 8 to 15 of the high word; @flags: its bits 20 to 23. @limit in units of G. */
static void set_segment(unsigned n, uint32_t base, uint32_t limit, uint32_t type, uint32_t flags)
{
	ldt[n][0] = base << 16 | (limit & 0xffff);
	ldt[n][1] = (base & 0xff000000u) | flags << 20 | (limit & 0xf0000u) | type << 8 |
	            (base >> 16 & 0xff);
}

static void fill_ldt(void)
{
	uint32_t state = 12345;

	set_segment(LDT_CODE, 0, 0xfffff, 0xfb, 0xc);
	set_segment(LDT_CODE16, HOST_CODE, 0xffff, 0xfb, 0);
	set_segment(LDT_DATA, 0, 0xfffff, 0xf3, 0xc);
	set_segment(LDT_AT_DATA, HOST_DATA, 0xffff, 0xf3, 4);
	set_segment(LDT_STACK16, HOST_DATA, 0xffff, 0xf3, 0);
	set_segment(LDT_END, 0, (HOST_DATA >> 12) + 2, 0xf3, 0xc);
	set_segment(LDT_DOWN, 0, HOST_DATA >> 12, 0xf7, 0xc);
	set_segment(LDT_CONST, 0, 0xfffff, 0xf1, 0xc);
	set_segment(LDT_SMALL, HOST_DATA + 0x800, 47, 0xf3, 4);
	set_segment(LDT_NEGATIVE, HOST_DATA + 4 * PAGE_SIZE, 0xfffff, 0xf3, 0xc);
	set_segment(LDT_EXECUTE, 0, 0xfffff, 0xf9, 0xc);
	set_segment(LDT_ABSENT, 0, 0xfffff, 0x73, 0xc);
	set_segment(LDT_ABSENT_CODE, 0, 0xfffff, 0x7b, 0xc);
	set_segment(LDT_CODE_SMALL, 0, HOST_CODE + 0x800, 0xfb, 4);
	ldt[LDT_CODE_SMALL][0] = 0xffff & (HOST_CODE >> 12);
	ldt[LDT_CODE_SMALL][1] = 0x00c0fb00u | (HOST_CODE >> 12 & 0xf0000);
	for (unsigned i = LDT_RANDOM; i < HOST_LDT; i++) {
		uint32_t r = host_random(&state), kind = r >> 8 & 0xe;

		/* The host refuses conforming code; accessed is always set. */
		if (kind >= 0xc)
			kind &= 0xb;
		set_segment(i, r & 1 ? host_random(&state) : HOST_DATA + (r >> 20),
		            host_random(&state) & 0xfffff, (r & 0x30 ? 0xf1 : 0x71) | kind,
		            r >> 28 & 0xd);
	}
}

/* The host's GDT as far as user code may load from it (arch/x86/include/asm/segment.h). */
static void fill_gdt(void)
{
	uint32_t(*gdt)[2] = page(PA_GDT), limit, rights;

	for (unsigned i = 1; i < GDT_BYTES / 8; i++)
		if (native_descriptor(i << 3 | 3, &limit, &rights)) {
			if (rights & DESC_PAGES)
				limit >>= 12;
			gdt[i][0] = limit & 0xffff;
			gdt[i][1] = rights | (limit & 0xf0000);
		}
}

static void fill_images(void)
{
	uint32_t state = 54321;

	for (unsigned k = 0; k < IMAGES; k++)
		for (unsigned i = 0; i < IMAGE_SIZE; i += 2) {
			uint32_t r = host_random(&state);
			uint16_t word = r >> 16;

			/* Selectors everywhere, and offsets that are in the code page. */
			if (r % 4 == 0)
				word = (r >> 8 & (HOST_LDT - 1)) << 3 | 4 |
				       (r & 0x100 ? 3 : r >> 9 & 3);
			else if (r % 16 == 1)
				word = HOST_CODE >> 16;
			else if (r % 16 == 2)
				word = (HOST_CODE & 0xffff) + (r >> 8 & 0xfff);
			else if (r % 16 == 3)
				word = r >> 8 & 0xff;
			memcpy(images[k] + i, &word, 2);
		}
}

void host_memory_fill(uint32_t seed)
{
	const uint8_t *image = images[seed % IMAGES];

	memcpy(host_data(), image, HOST_DATA_PAGES * PAGE_SIZE);
	memcpy(host_const(), image + HOST_DATA_PAGES * PAGE_SIZE, PAGE_SIZE);
}

void host_memory_open(void)
{
	static bool open;
	int fd;

	if (open)
		return;
	open = true;
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)RAM_BYTES)) {
		perror("memfd_create");
		exit(1);
	}
	map_at(HOLE_VCPU, PAGE_SIZE, PROT_READ | PROT_WRITE, -1, 0);
	map_at(CELL_STATE, ROUND_PAGE(sizeof(struct machine)), PROT_READ | PROT_WRITE, -1, 0);
	map_at(CELL_ANNOT, ROUND_PAGE(sizeof(struct annotations)), PROT_READ | PROT_WRITE, -1, 0);
	map_at(CELL_SELF, ROUND_PAGE(sizeof(struct cell)), PROT_READ | PROT_WRITE, -1, 0);
	map_at(CELL_RAM, RAM_BYTES, PROT_READ | PROT_WRITE, fd, 0);
	map_at(HOST_CODE, PAGE_SIZE, PROT_READ | PROT_EXEC, fd, PA_CODE * PAGE_SIZE);
	map_at(HOST_DATA, HOST_DATA_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, fd,
	       PA_DATA * PAGE_SIZE);
	map_at(HOST_CONST, PAGE_SIZE, PROT_READ, fd, PA_CONST * PAGE_SIZE);
	close(fd);

	map_guest(HOST_CODE, 1, PA_CODE, PA_TABLE_CODE, PTE_U);
	map_guest(HOST_DATA, HOST_DATA_PAGES, PA_DATA, PA_TABLE_DATA, PTE_U | PTE_W);
	map_guest(HOST_CONST, 1, PA_CONST, PA_TABLE_DATA, PTE_U);
	map_guest(HOST_TABLES, PA_END, 0, PA_TABLE_KERNEL, PTE_W);
	memset(host_code(), HLT, PAGE_SIZE);
	fill_images();
	fill_ldt();
	native_open((const uint32_t(*)[2])ldt, HOST_LDT);
	fill_gdt();
}

/* Everything that an attempt may have changed of the machine, but for memory. */
bool host_load(const struct native *n)
{
	struct exception x;

	/* The counters, rings and copies stay as they are: they have no meaning here. */
	memset(V, 0, sizeof *V);
	memset(M->hidden, 0, sizeof M->hidden);
	memset(&M->debug, 0, sizeof M->debug);
	memcpy(page(PA_LDT), ldt, sizeof ldt);
	M->ram_size = RAM_BYTES;
	M->user_top = HOST_TABLES;
	M->have_fsgsbase = 1;
	M->low.end = 0;
	M->low.moved = 0;
	M->gdt_base = HOST_TABLES + PA_GDT * PAGE_SIZE;
	M->gdt_limit = GDT_BYTES - 1;
	M->ldt_selector = 0x50;
	M->ldt_base = HOST_TABLES + PA_LDT * PAGE_SIZE;
	M->ldt_limit = sizeof ldt - 1;
	V->cr0 = CR0_PE | CR0_WP | CR0_PG;
	V->cr3 = PA_DIRECTORY * PAGE_SIZE;
	V->eip = n->eip;
	V->eflags = n->eflags;
	memcpy(V->gpr, n->gpr, sizeof V->gpr);
	if (!load_code_segment((uint16_t)n->sel[SEG_CS], n->eip, 3, &x))
		return false;
	/* SS makes it user mode, from which the others are loaded as user code does. */
	for (enum seg seg = SEG_ES; seg < SEG_COUNT; seg++)
		if (seg != SEG_CS && !load_segment(seg, (uint16_t)n->sel[seg], 3, &x))
			return false;
	return user_mode();
}

bool host_first_fault(uint32_t va, uint32_t n, bool write, uint32_t *fault)
{
	struct translation t;
	struct exception x;

	*fault = va;
	if (!walk(va, write, true, &t, &x))
		return true;
	*fault = (va | (PAGE_SIZE - 1)) + 1;
	return (va & (PAGE_SIZE - 1)) + n > PAGE_SIZE && !walk(*fault, write, true, &t, &x);
}

bool host_accessible(uint32_t va, uint32_t n, bool write)
{
	uint32_t fault;

	return !host_first_fault(va, n, write, &fault);
}

/* ---- what a cell's other half would do: here nothing of it is asked for ---- */

void fpu_save(void)
{
}
void fpu_restore(void)
{
}
uint64_t read_fs_base(void)
{
	return segment_base(SEG_FS);
}
uint64_t read_gs_base(void)
{
	return segment_base(SEG_GS);
}
void cell_resume(void);
void cell_resume(void)
{
	abort();
}
bool host_map_ram(uint32_t va, uint32_t n, uint64_t pa, struct host_rights rights)
{
	(void)va, (void)n, (void)pa, (void)rights;
	return true;
}
bool host_map_void(uint32_t va)
{
	(void)va;
	return true;
}
bool host_unmap(uint32_t va, uint32_t n)
{
	(void)va, (void)n;
	return true;
}
bool host_protect(uint32_t va, uint32_t n, struct host_rights rights)
{
	(void)va, (void)n, (void)rights;
	return true;
}
bool host_window(uint32_t va, uint32_t n)
{
	(void)va, (void)n;
	return false;
}
bool host_window_page(uint32_t va)
{
	(void)va;
	return false;
}
bool host_hide(uint32_t va, uint32_t n)
{
	(void)va, (void)n;
	return true;
}
bool host_write_ldt(uint32_t slot, uint32_t lo, uint32_t hi)
{
	(void)slot, (void)lo, (void)hi;
	return true;
}
/* Nobody wakes it: who sleeps here does so for ever. */
void host_futex_wait(uint32_t *word, uint32_t value, uint64_t deadline)
{
	(void)word, (void)value, (void)deadline;
	abort();
}
void host_futex_wake(uint32_t *word)
{
	(void)word;
}
