// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/shadow.h"

#include "cell/host.h"
#include "core/debug.h"
#include "core/low.h"
#include "core/strings.h"

/* Neighbours mapped along with a user page: the guest's own fault-around is 16 pages. */
#define USER_AROUND 32u

#define GROUP_BYTES 64u

/* Pages to give back at least when the host is out of mappings: an eighth of Linux's default. */
#define EVICT_PAGES 8192u

static bool pae(void)
{
	return V->cr4 & CR4_PAE;
}

static unsigned entries_per_table(void)
{
	return pae() ? 512 : 1024;
}

static unsigned entry_size(void)
{
	return pae() ? 8 : 4;
}

static uint32_t region_index(uint32_t va)
{
	return va >> region_shift();
}

static uint32_t region_base(uint32_t r)
{
	return r << region_shift();
}

static uint32_t region_size(void)
{
	return 1u << region_shift();
}

/* The copy of a region that has one. */
static uint8_t *copy_of(uint32_t r)
{
	return SELF->copy[SELF->region[r].copy - 1];
}

static uint64_t copy_get(uint32_t r, unsigned k)
{
	if (!SELF->region[r].copy)
		return 0;
	if (pae())
		return ((uint64_t *)copy_of(r))[k];
	return ((uint32_t *)copy_of(r))[k];
}

static void copy_set(uint32_t r, unsigned k, uint64_t v)
{
	if (pae())
		((uint64_t *)copy_of(r))[k] = v;
	else
		((uint32_t *)copy_of(r))[k] = v;
}

/* There are as many copies as regions, so one is free. */
static void give_copy(uint32_t r)
{
	uint32_t w = 0, n;

	while (!~SELF->copies[w])
		w++;
	n = w * 64 + __builtin_ctzll(~SELF->copies[w]);
	SELF->copies[w] |= 1ull << (n % 64);
	SELF->region[r].copy = (uint16_t)(n + 1);
}

static void take_copy(uint32_t r)
{
	uint32_t n = SELF->region[r].copy - 1u;

	for (uint64_t m = SELF->region[r].groups; m; m &= m - 1)
		__builtin_memset(copy_of(r) + __builtin_ctzll(m) * GROUP_BYTES, 0, GROUP_BYTES);
	SELF->copies[n / 64] &= ~(1ull << (n % 64));
}

static uint64_t table_get(const void *table, unsigned k)
{
	return pae() ? ((const volatile uint64_t *)table)[k]
	             : ((const volatile uint32_t *)table)[k];
}

static void set_active(uint32_t r)
{
	SELF->active[r / 64] |= 1ull << (r % 64);
}

static void set_local(uint32_t r)
{
	SELF->local[r / 64] |= 1ull << (r % 64);
}

static void clear_active(uint32_t r)
{
	SELF->active[r / 64] &= ~(1ull << (r % 64));
	SELF->local[r / 64] &= ~(1ull << (r % 64));
}

/* Bytes of [va, va+n) that are the guest's to map. */
static uint32_t below_hole(uint32_t va, uint32_t n)
{
	if (va >= HOLE_BASE)
		return 0;
	return n > HOLE_BASE - va ? HOLE_BASE - va : n;
}

/* Is code known to run in region @r? See shadow_map(). */
static bool runs_code(uint32_t r)
{
	return region_base(r) < M->user_top || SELF->region[r].code;
}

/* What a page-table entry of a region says of execution. */
static bool executable(uint32_t r, uint64_t pte)
{
	return runs_code(r) && !((SELF->region[r].pde | pte) & PTE_NX && M->efer & EFER_NX);
}

static uint32_t page_base(uint32_t r, unsigned k)
{
	return region_base(r) + k * PAGE_SIZE;
}

static void forget_region(uint32_t r)
{
	if (SELF->region[r].copy)
		take_copy(r);
	SELF->region[r] = (struct shadow_region){0};
	clear_active(r);
}

/* How much of [va, va+n) is mapped in the hole instead (core/low.h). */
static uint32_t low_part(uint32_t va, uint32_t n)
{
	if (!is_low(va))
		return 0;
	return n < M->low.end - va ? n : M->low.end - va;
}

static bool remove_range(uint32_t va, uint32_t n)
{
	uint32_t low = low_part(va, n);

	return (!low || host_unmap(HOLE_LOW + va, low)) &&
	       (low == n || host_unmap(va + low, n - low));
}

static bool place_ram(uint32_t va, uint32_t n, uint64_t pa, struct host_rights rights)
{
	uint32_t low = low_part(va, n);

	return (!low || host_map_ram(HOLE_LOW + va, low, pa, rights)) &&
	       (low == n || host_map_ram(va + low, n - low, pa + low, rights));
}

static bool change_rights(uint32_t va, uint32_t n, struct host_rights rights)
{
	uint32_t low = low_part(va, n);

	return (!low || host_protect(HOLE_LOW + va, low, rights)) &&
	       (low == n || host_protect(va + low, n - low, rights));
}

static void drop_all(void)
{
	/* The range ends at mappings' ends, so this call can only shrink their number. */
	host_unmap(0, HOLE_BASE);
	host_unmap(HOLE_LOW, HOLE_LOW_SIZE);
	for (uint32_t w = 0; w < SHADOW_REGIONS / 64; w++)
		while (SELF->active[w])
			forget_region(w * 64 + __builtin_ctzll(SELF->active[w]));
	SELF->resets_seen = M->resets;
	SELF->inval_all_seen = M->inval_all;
	SELF->inval_seen = M->inval_head;
}

/* The next region of the user half at or behind @r, cyclically, where something is mapped. */
static bool next_user_region(uint32_t *r)
{
	uint32_t regions = region_index(M->user_top);

	for (uint32_t i = 0; i < regions; i++) {
		uint32_t candidate = (*r + i) % regions;

		if (SELF->active[candidate / 64] >> (candidate % 64) & 1) {
			*r = candidate;
			return true;
		}
	}
	return false;
}

/*
 * The host is out of mappings (vm.max_map_count) or of address space: drop a part of the user
 * half, taking turns, which is first in, first out for a program that goes through its memory.
 * The kernel half takes few mappings and goes only when nothing else is left. False: it has.
 */
static bool make_room(void)
{
	uint32_t pages = 0, r = SELF->evict_next;

	COUNT(evict);
	while (pages < EVICT_PAGES && next_user_region(&r)) {
		/* A mapping may reach over the region's end, and there is no room to split it. */
		if (!remove_range(region_base(r), region_size()))
			break;
		pages += SELF->region[r].large ? EVICT_PAGES : SELF->region[r].mapped;
		COUNT_N(evict_pages, SELF->region[r].mapped);
		forget_region(r);
		SELF->evict_next = ++r;
	}
	if (pages)
		return true;
	for (uint32_t w = 0; w < SHADOW_REGIONS / 64; w++)
		pages |= !!SELF->active[w];
	drop_all();
	return pages;
}

static void unmap_range(uint32_t va, uint32_t n)
{
	n = below_hole(va, n);
	if (!n)
		return;
	COUNT(unmap_runs);
	/* Taking a page out of the middle of a mapping makes two of it. */
	if (!remove_range(va, n) && !(make_room() && remove_range(va, n)))
		drop_all();
}

static void drop_region(uint32_t r)
{
	unmap_range(region_base(r), region_size());
	forget_region(r);
}

void shadow_reset(void)
{
	M->resets++;
	drop_all();
}

/* What a translation lets a host mapping be. */
static struct host_rights rights_of(uint32_t va, const struct translation *t)
{
	struct host_rights rights = {.write = t->writable && t->dirty,
	                             .execute = !t->no_execute && runs_code(region_index(va))};

	debug_restrict(va, &rights);
	return rights;
}

static void map_pages(uint32_t va, uint32_t n, uint64_t pa, struct host_rights rights)
{
	n = below_hole(va, n);
	if (!n)
		return;
	COUNT_N(map_pages, n / PAGE_SIZE);
	if (M->lazy)
		lazy_need(pa, n);
	while (!place_ram(va, n, pa, rights))
		if (!make_room())
			stop_guest(STOP_MEMORY, CANNOT_MAP);
}

/* Guest-physical space without memory behind it: reads something, loses what is written. */
static void map_void(uint32_t va)
{
	va &= ~0xfffu;
	if (!below_hole(va, PAGE_SIZE))
		return;
	while (!host_map_void(is_low(va) ? HOLE_LOW + va : va))
		if (!make_room())
			stop_guest(STOP_MEMORY, CANNOT_MAP);
}

/* Paging is off: linear is physical, in steps of the 4 MiB regions; of pages where some are
 * watched. */
static void map_unpaged(uint32_t va, struct host_rights rights)
{
	uint32_t r = region_index(va), base = region_base(r);
	uint64_t n = region_size();

	if (debug_region(base, n)) {
		base = va & ~(PAGE_SIZE - 1);
		n = PAGE_SIZE;
	}
	if (base >= M->ram_size) {
		map_void(va);
	} else {
		if (n > M->ram_size - base)
			n = M->ram_size - base;
		map_pages(base, n, base, rights);
	}
	SELF->region[r].large = 1;
	set_local(r);
	set_active(r);
}

static void mark_large(uint32_t r, uint64_t pde, bool global)
{
	SELF->region[r].pde = pde;
	SELF->region[r].large = 1;
	if (!global)
		set_local(r);
	set_active(r);
}

/* May the large page of the region before or after @r join the mapping of entry @pde? */
static bool large_continues(uint32_t r, int64_t offset, uint64_t pde)
{
	uint32_t neighbour = r + offset;
	uint64_t want = pde + offset * (int64_t)region_size(), e, pa;

	if (!fast(FAST_AROUND) || neighbour >= entries_per_table() * (pae() ? 4 : 1) ||
	    region_base(neighbour) >= HOLE_BASE - region_size() ||
	    (region_base(neighbour) < M->user_top) != (region_base(r) < M->user_top))
		return false;
	if (SELF->active[neighbour / 64] >> (neighbour % 64) & 1)
		return false;
	if (debug_region(region_base(neighbour), region_size()))
		return false;
	e = read_directory_entry(region_base(neighbour));
	pa = e & PTE_ADDRESS & ~(uint64_t)(region_size() - 1);
	return e == want && in_ram(pa, region_size()) && !lazy_missing_any(pa, region_size());
}

/* As much around the page at @pa of its region as is there of a machine that was restored. */
static void map_present(uint32_t va, uint64_t pa, struct host_rights rights)
{
	uint64_t from = pa & ~(uint64_t)(LAZY_CHUNK - 1), to = from + LAZY_CHUNK;
	uint64_t low = pa & ~(uint64_t)(region_size() - 1), high = low + region_size();

	while (from > low && !lazy_missing(from - 1))
		from -= LAZY_CHUNK;
	while (to < high && !lazy_missing(to))
		to += LAZY_CHUNK;
	map_pages((va & ~(region_size() - 1)) + (uint32_t)(from - low), (uint32_t)(to - from), from,
	          rights);
}

/* A large page, and its neighbours of the same run: the kernel's linear map is one VMA. */
static void map_large(uint32_t va, const struct translation *t)
{
	uint32_t r = region_index(va), first = r, last = r;
	uint64_t pa = t->pa & ~(uint64_t)(region_size() - 1);

	if (!in_ram(pa, region_size()) || debug_region(region_base(r), region_size())) {
		uint64_t page = t->pa & ~0xfffull;

		/* Partly or wholly outside of RAM, or watched in part: page by page. */
		if (in_ram(page, PAGE_SIZE))
			map_pages(va & ~0xfffu, PAGE_SIZE, page, rights_of(va, t));
		else
			map_void(va);
		mark_large(r, t->pde, t->global);
		return;
	}
	if (lazy_missing_any(pa, region_size())) {
		map_present(va, t->pa, rights_of(va, t));
		mark_large(r, t->pde, t->global);
		return;
	}
	/* Code alone: its neighbours are data, as far as is known. */
	while (!SELF->region[r].code && large_continues(r, (int64_t)last + 1 - r, t->pde))
		last++;
	while (!SELF->region[r].code && first && large_continues(r, (int64_t)first - 1 - r, t->pde))
		first--;
	map_pages(region_base(first), (last - first + 1) * region_size(),
	          pa - (uint64_t)(r - first) * region_size(), rights_of(va, t));
	for (uint32_t i = first; i <= last; i++)
		mark_large(i, t->pde + ((int64_t)i - r) * region_size(), t->global);
}

static void remember(uint32_t r, unsigned k, uint64_t pte)
{
	struct shadow_region *g = &SELF->region[r];

	if (!g->copy)
		give_copy(r);
	if (!copy_get(r, k))
		g->mapped++;
	copy_set(r, k, pte);
	g->groups |= 1ull << (k * entry_size() / GROUP_BYTES);
	if (!(pte & PTE_G && V->cr4 & CR4_PGE))
		set_local(r);
}

/*
 * A neighbour may be mapped along when using it would have no effect the guest could see:
 * present, accessed (and dirty, to be writable), same rights, next in physical memory. @again:
 * even if it is mapped already, with fewer rights.
 */
static bool continues(const void *table, uint32_t r, unsigned k, uint64_t pte, int distance,
                      bool again)
{
	uint64_t e = table_get(table, k);
	uint64_t same = PTE_P | PTE_W | PTE_U | PTE_A | PTE_D | PTE_G | PTE_NX;

	return fast(FAST_AROUND) && !M->debug.active && (again || !copy_get(r, k)) &&
	       (e & same) == (pte & same) &&
	       (e & PTE_ADDRESS) == (pte & PTE_ADDRESS) + (int64_t)distance * PAGE_SIZE &&
	       in_ram(e & PTE_ADDRESS, PAGE_SIZE) && !lazy_missing(e & PTE_ADDRESS);
}

/* The page is there already, and now it may be written: the host's page-table entry can stay. */
static bool gains_write(uint32_t r, unsigned k, const struct translation *t)
{
	uint64_t copy = copy_get(r, k);

	return fast(FAST_UPGRADE) && copy && !((copy ^ t->pte) & (PTE_ADDRESS | PTE_NX)) &&
	       t->writable && t->dirty && in_ram(t->pa & ~0xfffull, PAGE_SIZE) &&
	       change_rights(page_base(r, k), PAGE_SIZE, rights_of(page_base(r, k), t));
}

/* Fewest and most pages of a window: opening one costs as much as mapping two. */
#define WINDOW_MIN 8u
#define WINDOW_MAX 64u

/* Open a window from entry @k as far as nothing is mapped. */
static bool open_window(uint32_t r, unsigned k, uint64_t pa, struct host_rights rights)
{
	struct shadow_region *g = &SELF->region[r];
	uint32_t va = page_base(r, k);
	unsigned n = 1;

	while (n < WINDOW_MAX && k + n < entries_per_table() && !copy_get(r, k + n) &&
	       in_ram(pa + n * PAGE_SIZE, PAGE_SIZE) && page_base(r, k + n) < M->user_top)
		n++;
	if (n < WINDOW_MIN || !host_map_ram(va, n * PAGE_SIZE, pa, rights))
		return false;
	if (!host_window(va, n * PAGE_SIZE)) {
		unmap_range(va, n * PAGE_SIZE);
		return false;
	}
	COUNT(window_open);
	g->window_from = k;
	g->window_to = k + n;
	g->window_pa = pa - k * PAGE_SIZE;
	g->window_write = rights.write;
	g->window_execute = rights.execute;
	return true;
}

/*
 * Pages that a program touches in order often lie in order in physical memory as well. After two
 * such a window is opened: a mapping of what would follow, none of it accessible; its pages are
 * installed by one call each, cheaper than a mapping, and without a fault of the host's.
 */
static bool map_in_window(uint32_t r, unsigned k, uint64_t pa, struct host_rights rights)
{
	struct shadow_region *g = &SELF->region[r];
	uint64_t before = k ? copy_get(r, k - 1) : 0;

	if (!SELF->windows || is_low(page_base(r, k)))
		return false;
	bool inside = k >= g->window_from && k < g->window_to;
	bool fits = inside && g->window_pa + k * PAGE_SIZE == pa &&
	            g->window_write == rights.write && g->window_execute == rights.execute;

	/* In order, but from elsewhere: the next batch of pages has begun. */
	if (!fits && !(before && (inside || (before & PTE_ADDRESS) + PAGE_SIZE == pa) &&
	               open_window(r, k, pa, rights)))
		return false;
	if (M->lazy)
		lazy_need(pa, PAGE_SIZE);
	if (host_window_page(page_base(r, k))) {
		COUNT(window_page);
		COUNT(map_pages);
		return true;
	}
	g->window_to = g->window_from;
	return false;
}

static void map_small(uint32_t va, const struct translation *t, bool again)
{
	uint32_t r = region_index(va);
	unsigned k = va >> 12 & (entries_per_table() - 1), from = k, to = k + 1, low, high;
	const void *table = physical(t->table, PAGE_SIZE);
	struct shadow_region *g = &SELF->region[r];

	if (g->large || (g->mapped && ((g->pde ^ t->pde) & ~(PTE_A | PTE_D))))
		drop_region(r);
	g->pde = t->pde;
	if (table && !again && gains_write(r, k, t)) {
		COUNT(map_upgrade);
	} else if (!table || !in_ram(t->pa & ~0xfffull, PAGE_SIZE)) {
		map_void(va);
	} else {
		if (M->lazy)
			lazy_need(t->pa & ~0xfffull, PAGE_SIZE);
		if (va < M->user_top) {
			low = k & ~(USER_AROUND - 1);
			high = low + USER_AROUND;
		} else {
			low = 0;
			high = entries_per_table();
		}
		while (to < high && continues(table, r, to, t->pte, (int)(to - k), again))
			to++;
		while (from > low &&
		       continues(table, r, from - 1, t->pte, -(int)(k - from + 1), again))
			from--;
		if (to - from > 1 || va >= M->user_top ||
		    !map_in_window(r, k, t->pa & ~0xfffull, rights_of(va, t)))
			map_pages(page_base(r, from), (to - from) * PAGE_SIZE,
			          (t->pa & ~0xfffull) - (k - from) * PAGE_SIZE, rights_of(va, t));
		COUNT_N(map_around, to - from - 1);
	}
	g->pde = t->pde; /* making room may have forgotten it */
	for (unsigned i = from; i < to; i++)
		remember(r, i, i == k ? t->pte : table_get(table, i));
	set_active(r);
}

/*
 * Which pages of the kernel half a new cell needs first is the same for all: the guest's entry
 * code and stacks, its scheduler, what leads to its own data. Where one misses while it is new is
 * noted, and the next has it mapped before it runs. (Cell 0 has booted the guest, and missed all.)
 */
#define NEW_ACTIVATIONS 4u
#define FETCHED         1u
#define TWICE           2u

static bool is_new_cell(void)
{
	return SELF->number && M->cell[SELF->number].activations <= NEW_ACTIVATIONS;
}

/* What two cells missed the third will miss; what one did may be the guest's business of that
 * moment. */
static void note_first_miss(uint32_t va, bool fetch)
{
	uint32_t miss = (va & ~(PAGE_SIZE - 1)) | (fetch ? FETCHED : 0);

	for (uint32_t i = 0; i < FIRST_MISSES; i++)
		if ((M->first_miss[i] & ~TWICE) == miss) {
			M->first_miss[i] |= TWICE;
			return;
		}
	M->first_miss[M->first_miss_next++ % FIRST_MISSES] = miss;
}

/* Is @va mapped, by entries that using it would not change? */
static bool is_accessed(uint32_t va)
{
	uint64_t pde = read_directory_entry(va);
	const void *table;

	if (!(pde & PTE_P && pde & PTE_A))
		return false;
	if (pde & PTE_PS)
		return true;
	table = physical(pde & PTE_ADDRESS, PAGE_SIZE);
	return table && table_get(table, va >> 12 & (entries_per_table() - 1)) & PTE_A;
}

/* Has an earlier one brought it along? */
static bool is_mapped(uint32_t va, bool fetch)
{
	uint32_t r = region_index(va);

	return (SELF->region[r].large || copy_get(r, va >> 12 & (entries_per_table() - 1))) &&
	       (!fetch || SELF->region[r].code);
}

static void map_first_miss(uint32_t va, bool fetch)
{
	struct translation t;
	struct exception x;

	if (va < M->user_top || va >= HOLE_BASE || is_mapped(va, fetch) || !is_accessed(va) ||
	    !walk(va, false, false, &t, &x) || !in_ram(t.pa & ~0xfffull, PAGE_SIZE) ||
	    (fetch && t.no_execute))
		return;
	COUNT(map_new_cell);
	shadow_map(va, &t, fetch);
}

/* Code first: mapped as data it would have to be mapped again. */
static void map_first_misses(void)
{
	if (!fast(FAST_NEW_CELLS) || !paging_on())
		return;
	for (uint32_t fetch = FETCHED; fetch <= FETCHED; fetch--)
		for (uint32_t i = 0; i < FIRST_MISSES; i++) {
			uint32_t miss = M->first_miss[i];

			if (miss & TWICE && (miss & FETCHED) == fetch)
				map_first_miss(miss & ~(PAGE_SIZE - 1), fetch);
		}
}

void shadow_map(uint32_t va, const struct translation *t, bool fetch)
{
	bool kernel_code = fetch && va >= M->user_top;
	struct host_rights rights = {.write = true, .execute = true};

	if (!debug_restrict(va, &rights))
		return;
	if (!paging_on()) {
		map_unpaged(va, rights);
		return;
	}
	if (fast(FAST_NEW_CELLS) && va >= M->user_top && is_new_cell())
		note_first_miss(va, fetch);
	if (kernel_code)
		SELF->region[region_index(va)].code = 1;
	if (t->large)
		map_large(va, t);
	else
		map_small(va, t, kernel_code);
}

bool shadow_missing(uint32_t va)
{
	uint32_t r = region_index(va);

	return paging_on() && va < M->user_top && !SELF->region[r].large &&
	       !copy_get(r, va >> 12 & (entries_per_table() - 1));
}

bool shadow_present(uint32_t va, bool write)
{
	uint32_t r = region_index(va);
	uint64_t e;

	if (!paging_on() || SELF->region[r].large)
		return false;
	e = copy_get(r, va >> 12 & (entries_per_table() - 1));
	return e && (!write || (e & SELF->region[r].pde & PTE_W && e & PTE_D));
}

bool shadow_next_page(uint32_t *va)
{
	for (uint64_t at = *va & ~(PAGE_SIZE - 1); at < HOLE_BASE;) {
		uint32_t r = region_index(at), k = at >> 12 & (entries_per_table() - 1);

		if (!(SELF->active[r / 64] >> (r % 64) & 1)) {
			at = (uint64_t)region_base(r) + region_size();
			continue;
		}
		if (SELF->region[r].large || copy_get(r, k)) {
			*va = at;
			return true;
		}
		at += PAGE_SIZE;
	}
	return false;
}

bool shadow_install_again(uint32_t va)
{
	uint32_t r = region_index(va);
	uint64_t copy;
	const volatile uint8_t *page;

	if (!SELF->windows || !paging_on() || SELF->region[r].large)
		return false;
	copy = copy_get(r, va >> 12 & (entries_per_table() - 1));
	page = copy ? physical(copy & PTE_ADDRESS, PAGE_SIZE) : NULL;
	if (!page)
		return false;
	COUNT(window_again);
	/* The file must have it: one that was swapped out comes back by an access elsewhere. */
	(void)*page;
	return host_window_page(va & ~0xfffu);
}

/* What happened to one mapped entry. */
enum change { SAME, KEEP, PROTECT, DROP };

static enum change change_of(uint64_t copy, uint64_t now)
{
	if (copy == now)
		return SAME;
	/* The guest set A or D itself, or allowed what was forbidden: less is mapped than may. */
	if ((copy & ~(PTE_A | PTE_D | PTE_W)) == (now & ~(PTE_A | PTE_D | PTE_W)) &&
	    !(copy & ~now & (PTE_A | PTE_D | PTE_W)))
		return KEEP;
	/* fork() write-protects: the page stays, read-only. */
	if (now == (copy & ~PTE_W))
		return !(copy & PTE_D) ? KEEP : fast(FAST_UPGRADE) ? PROTECT : DROP;
	return DROP;
}

/* A copy never claims rights the host mapping does not have. */
static uint64_t kept_copy(uint64_t copy, uint64_t now)
{
	return now & ~(now & ~copy & (PTE_D | PTE_W));
}

/* Is any mapped entry of this 64-byte group different from the table? */
static bool group_differs(const uint8_t *copy, const uint8_t *table)
{
	uint64_t differs = 0;

	if (pae()) {
		const uint64_t *c = (const uint64_t *)copy, *t = (const uint64_t *)table;

		for (unsigned i = 0; i < GROUP_BYTES / 8; i++)
			differs |= c[i] ? c[i] ^ t[i] : 0;
	} else {
		const uint32_t *c = (const uint32_t *)copy, *t = (const uint32_t *)table;

		for (unsigned i = 0; i < GROUP_BYTES / 4; i++)
			differs |= c[i] ? c[i] ^ t[i] : 0;
	}
	return differs;
}

/*
 * A run of addresses with the same fate, carried out by one host call. Where nothing is mapped a
 * run that is dropped goes on: one call over twenty mappings and the gaps between them costs a
 * third of twenty calls.
 */
struct run {
	enum change what; /* SAME: empty */
	bool no_execute;
	uint32_t from, to;
};

static void finish_run(struct run *run)
{
	struct host_rights rights = {.execute = !run->no_execute};
	uint32_t n = run->to - run->from;

	/* Splitting a mapping may exceed vm.max_map_count. */
	if (run->what == DROP || (run->what == PROTECT && (debug_region(run->from, n) ||
	                                                   !change_rights(run->from, n, rights))))
		unmap_range(run->from, n);
	run->what = SAME;
}

static void extend_run(struct run *run, enum change what, bool no_execute, uint32_t va, uint32_t n)
{
	if (run->what != what || run->no_execute != no_execute || (what != DROP && run->to != va)) {
		finish_run(run);
		*run = (struct run){.what = what, .no_execute = no_execute, .from = va};
	}
	run->to = va + n;
}

static void compare_entry(uint32_t r, unsigned k, const void *table, struct run *run)
{
	uint64_t copy = copy_get(r, k), now = table_get(table, k);
	enum change what;

	if (!copy)
		return;
	what = change_of(copy, now);
	if (what == DROP) {
		copy_set(r, k, 0);
		SELF->region[r].mapped--;
		extend_run(run, DROP, false, page_base(r, k), PAGE_SIZE);
		return;
	}
	copy_set(r, k, kept_copy(copy, now));
	if (what == PROTECT)
		extend_run(run, PROTECT, !executable(r, copy), page_base(r, k), PAGE_SIZE);
	else
		finish_run(run);
}

static void compare_group(uint32_t r, unsigned group, const uint8_t *table, struct run *run)
{
	unsigned per_group = GROUP_BYTES / entry_size();

	if (!group_differs(copy_of(r) + group * GROUP_BYTES, table + group * GROUP_BYTES)) {
		finish_run(run);
		return;
	}
	for (unsigned k = group * per_group; k < (group + 1) * per_group; k++)
		compare_entry(r, k, table, run);
}

/* The region's directory entry, as it bears on what is mapped there. */
static bool directory_differs(uint32_t r, uint64_t pde)
{
	struct shadow_region *g = &SELF->region[r];

	return (pde ^ g->pde) & ~(g->large ? PTE_A : PTE_A | PTE_D);
}

static void compare_region(uint32_t r, struct run *run)
{
	struct shadow_region *g = &SELF->region[r];
	uint64_t pde = read_directory_entry(region_base(r));
	const uint8_t *table = NULL;

	if (fast(FAST_COMPARE) && !directory_differs(r, pde)) {
		if (g->large) {
			finish_run(run);
			return;
		}
		table = physical(pde & PTE_ADDRESS, PAGE_SIZE);
	}
	if (!table) {
		extend_run(run, DROP, false, region_base(r), region_size());
		forget_region(r);
		return;
	}
	COUNT(tables_compared);
	for (uint64_t m = g->groups; m; m &= m - 1)
		compare_group(r, __builtin_ctzll(m), table, run);
	if (!g->mapped) {
		if (g->hidden)
			extend_run(run, DROP, false, region_base(r), region_size());
		forget_region(r);
	}
}

static void compare_regions(bool global_too)
{
	struct run run = {.what = SAME};

	/* Without CR4.PGE no entry is global, whatever it was mapped as. */
	global_too |= !(V->cr4 & CR4_PGE);
	for (uint32_t w = 0; w < SHADOW_REGIONS / 64; w++) {
		uint64_t wanted = SELF->active[w] & (global_too ? ~0ull : SELF->local[w]);
		uint64_t others = SELF->active[w] & ~wanted;

		/* Of the others, most of the kernel half, nothing is read: after a hand-over all of
		 * it is cold. A run must end before them, though. */
		for (; wanted; wanted &= wanted - 1) {
			uint64_t below = (wanted & -wanted) - 1;

			if (others & below)
				finish_run(&run);
			others &= ~below;
			compare_region(w * 64 + __builtin_ctzll(wanted), &run);
		}
		if (others)
			finish_run(&run);
	}
	finish_run(&run);
}

/*
 * INVLPG comes in rows: Linux flushes up to 33 pages one by one (tlb_single_page_flush_ceiling,
 * arch/x86/mm/tlb.c), when it has changed all their entries. What the first of them finds behind
 * it that has the same fate goes along in its host call: a TLB may forget, and look again, at any
 * time (SDM volume 3, 4.10.2.3).
 */
#define LOOK_AHEAD 33u

static unsigned look_ahead_end(unsigned k)
{
	unsigned entries = entries_per_table(), n = fast(FAST_INVLPG_ROWS) ? LOOK_AHEAD : 1;

	return k + n < entries ? k + n : entries;
}

/* The entry allows to write what is mapped read-only, and leaves nothing to be recorded. */
static bool may_write(uint32_t r, uint64_t copy, uint64_t now)
{
	enum change what = copy ? change_of(copy, now) : DROP;

	return (what == SAME || what == KEEP) && now & SELF->region[r].pde & PTE_W && now & PTE_D &&
	       !(copy & PTE_W && copy & PTE_D) && in_ram(now & PTE_ADDRESS, PAGE_SIZE);
}

/*
 * The guest has just changed this page, and perhaps those behind it, to allow what it did not: do
 * it now, without waiting for the access to fault.
 */
static void allow_write(uint32_t r, unsigned k, const void *table)
{
	bool execute = executable(r, table_get(table, k));
	unsigned to = k, end = look_ahead_end(k);

	if (!fast(FAST_UPGRADE) || M->debug.active)
		return;
	while (to < end && may_write(r, copy_get(r, to), table_get(table, to)) &&
	       executable(r, table_get(table, to)) == execute)
		to++;
	if (to == k || !change_rights(page_base(r, k), (to - k) * PAGE_SIZE,
	                              (struct host_rights){.write = true, .execute = execute}))
		return;
	for (unsigned i = k; i < to; i++)
		copy_set(r, i, table_get(table, i));
}

/*
 * A page that goes alone soon gets a successor, as in kmap and copy-on-write. Its mapping stays,
 * without rights, until something replaces it: half as dear as taking it away.
 */
static void hide_page(uint32_t r, unsigned k)
{
	uint32_t va = page_base(r, k);

	if (fast(FAST_UPGRADE) && below_hole(va, PAGE_SIZE) && !is_low(va) &&
	    host_hide(va, PAGE_SIZE))
		SELF->region[r].hidden = 1;
	else
		unmap_range(va, PAGE_SIZE);
}

void shadow_drop_page(uint32_t va)
{
	uint32_t r = region_index(va);
	unsigned k = va >> 12 & (entries_per_table() - 1);
	struct shadow_region *g = &SELF->region[r];

	if (va >= HOLE_BASE)
		return;
	if (g->large) {
		drop_region(r);
		return;
	}
	if (!paging_on() || !copy_get(r, k))
		return;
	copy_set(r, k, 0);
	g->mapped--;
	unmap_range(va & ~0xfffu, PAGE_SIZE);
	if (!g->mapped)
		drop_region(r);
}

/* Entry @k has begun @run: let those join that follow it and were changed in the same way. */
static void compare_behind(uint32_t r, unsigned k, const void *table, struct run *run)
{
	enum change what = run->what;
	unsigned end = look_ahead_end(k);
	uint64_t copy;

	while (++k < end) {
		unsigned group = k * entry_size() / GROUP_BYTES;

		if (!(SELF->region[r].groups >> group & 1)) {
			k = (group + 1) * GROUP_BYTES / entry_size() - 1; /* never held anything */
			continue;
		}
		copy = copy_get(r, k);
		if (copy && change_of(copy, table_get(table, k)) != what)
			return;
		compare_entry(r, k, table, run);
	}
}

/* One page of this cell: as after a miss, but what still holds may stay. */
static void invalidate_page(uint32_t va)
{
	uint32_t r = region_index(va);
	unsigned k = va >> 12 & (entries_per_table() - 1);
	struct shadow_region *g = &SELF->region[r];
	uint64_t pde = read_directory_entry(va);
	struct run run = {.what = SAME};
	const void *table;

	if (g->large) {
		if (directory_differs(r, pde) || !fast(FAST_COMPARE))
			drop_region(r);
		return;
	}
	if (!copy_get(r, k))
		return;
	if (!fast(FAST_COMPARE)) {
		shadow_drop_page(va);
		return;
	}
	table = directory_differs(r, pde) ? NULL : physical(pde & PTE_ADDRESS, PAGE_SIZE);
	if (!table) {
		drop_region(r);
		return;
	}
	compare_entry(r, k, table, &run);
	if (run.what != SAME)
		compare_behind(r, k, table, &run);
	if (run.what == DROP && run.to - run.from == PAGE_SIZE)
		hide_page(r, k);
	else
		finish_run(&run);
	if (copy_get(r, k))
		allow_write(r, k, table);
}

void shadow_invlpg(uint32_t va)
{
	COUNT(invlpg);
	if (!paging_on() || va >= HOLE_BASE)
		return;
	invalidate_page(va);
	/* Other cells compare what is not global when they start to run; global pages are
	 * the kernel's, and they must hear of it (SDM volume 3, 4.10.4.1). */
	if (va < M->user_top)
		return;
	string_forget(va);
	if (SELF->inval_seen == M->inval_head)
		SELF->inval_seen++;
	M->inval_va[M->inval_head % INVALIDATION_LOG] = va;
	M->inval_head++;
}

void shadow_flush(void)
{
	if (paging_on())
		compare_regions(false);
}

void shadow_flush_global(void)
{
	M->inval_all++;
	SELF->inval_all_seen = M->inval_all;
	if (paging_on())
		compare_regions(true);
}

/* Does the guest keep user code from what is mapped with this entry, in part or whole? */
static bool kept_from_user(uint64_t entry)
{
	return !(entry & PTE_U) || (!(entry & PTE_W) && !(V->cr0 & CR0_WP));
}

static void hide_from_user(uint32_t r, struct run *run)
{
	struct shadow_region *g = &SELF->region[r];

	if (kept_from_user(g->pde)) {
		extend_run(run, DROP, false, region_base(r), region_size());
		forget_region(r);
		return;
	}
	if (g->large) {
		finish_run(run);
		return;
	}
	for (unsigned k = 0; g->mapped && k < entries_per_table(); k++) {
		uint64_t copy = copy_get(r, k);

		if (!copy)
			continue;
		if (!kept_from_user(copy)) {
			finish_run(run);
			continue;
		}
		copy_set(r, k, 0);
		g->mapped--;
		extend_run(run, DROP, false, page_base(r, k), PAGE_SIZE);
	}
	if (!g->mapped) {
		if (g->hidden)
			extend_run(run, DROP, false, region_base(r), region_size());
		forget_region(r);
	}
}

void shadow_enter_user(void)
{
	struct run run = {.what = SAME};

	if (!paging_on())
		return;
	for (uint32_t w = 0; w < SHADOW_REGIONS / 64; w++)
		for (uint64_t m = SELF->active[w]; m; m &= m - 1) {
			uint32_t r = w * 64 + __builtin_ctzll(m);

			if (region_base(r) < M->user_top)
				hide_from_user(r, &run);
		}
	finish_run(&run);
}

void shadow_activate(void)
{
	bool all;

	if (SELF->resets_seen != M->resets || !fast(FAST_WARM_CELLS)) {
		drop_all();
		map_first_misses();
		return;
	}
	all = SELF->inval_all_seen != M->inval_all ||
	      M->inval_head - SELF->inval_seen > INVALIDATION_LOG;

	SELF->inval_all_seen = M->inval_all;
	if (all) {
		COUNT(kernel_resync);
		SELF->inval_seen = M->inval_head;
	}
	while (SELF->inval_seen != M->inval_head)
		invalidate_page(M->inval_va[SELF->inval_seen++ % INVALIDATION_LOG]);
	if (paging_on())
		compare_regions(all);
}
