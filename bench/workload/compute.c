// SPDX-License-Identifier: GPL-2.0-or-later
/* Computation in user mode: no system call, no page fault once the memory is there. */
#include "workload.h"

#include <string.h>
#include <xmmintrin.h>

/* ---- SHA-256 of 4 KiB ---- */

static uint32_t sha_constants[64], sha_initial[8];
static uint8_t message[PAGE];

/* The first 32 bits of the fraction of a prime's root, by integer arithmetic: the largest r with
 * r^degree <= prime * 2^(32 * degree), of which the low word is the fraction. */
static uint32_t root_fraction(unsigned prime, unsigned degree)
{
	uint64_t low = 0, high = 1ull << 37;

	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;
		long double m = (long double)middle, power = degree == 2 ? m * m : m * m * m;
		long double limit = (long double)prime * (degree == 2 ? 0x1p64L : 0x1p96L);

		if (power <= limit)
			low = middle;
		else
			high = middle;
	}
	return (uint32_t)low;
}

static bool make_sha_tables(void)
{
	unsigned prime = 2;

	for (int i = 0; i < 64; prime++) {
		bool is_prime = true;

		for (unsigned d = 2; d * d <= prime; d++)
			is_prime &= prime % d != 0;
		if (!is_prime)
			continue;
		sha_constants[i] = root_fraction(prime, 3);
		if (i < 8)
			sha_initial[i] = root_fraction(prime, 2);
		i++;
	}
	return sha_constants[63] == 0xc67178f2 && sha_initial[7] == 0x5be0cd19;
}

static uint32_t rotate(uint32_t x, int by)
{
	return x >> by | x << (32 - by);
}

static void sha_block(uint32_t state[8], const uint8_t *data)
{
	uint32_t w[64], a = state[0], b = state[1], c = state[2], d = state[3];
	uint32_t e = state[4], f = state[5], g = state[6], h = state[7];

	for (int i = 0; i < 16; i++) {
		uint32_t word;

		memcpy(&word, data + 4 * i, 4);
		w[i] = __builtin_bswap32(word);
	}
	for (int i = 16; i < 64; i++) {
		uint32_t x = w[i - 15], y = w[i - 2];

		w[i] = w[i - 16] + w[i - 7] + (rotate(x, 7) ^ rotate(x, 18) ^ x >> 3) +
		       (rotate(y, 17) ^ rotate(y, 19) ^ y >> 10);
	}
	for (int i = 0; i < 64; i++) {
		uint32_t t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
		              ((e & f) ^ (~e & g)) + sha_constants[i] + w[i];
		uint32_t t2 =
		    (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));

		h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
	}
	state[0] += a, state[1] += b, state[2] += c, state[3] += d;
	state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

static void sha256_4k(unsigned n)
{
	while (n--) {
		uint32_t state[8];

		memcpy(state, sha_initial, sizeof(state));
		for (unsigned at = 0; at < PAGE; at += 64)
			sha_block(state, message + at);
		message[0] = (uint8_t)state[0];
	}
}

/* ---- dependent loads over 32 MiB, a cache line each ---- */

struct line {
	struct line *next;
	uint8_t rest[60];
};

static struct line *position;

static bool make_chain(void)
{
	const unsigned count = 32 * MIB / sizeof(struct line);
	struct line *lines = (struct line *)map_private(32 * MIB);
	uint32_t state = 7;

	/* Sattolo's shuffle: one cycle through all of them. */
	for (unsigned i = 0; i < count; i++)
		lines[i].next = &lines[i];
	for (unsigned i = count - 1; i; i--) {
		unsigned j = next_random(&state) % i;
		struct line *t = lines[i].next;

		lines[i].next = lines[j].next;
		lines[j].next = t;
	}
	position = lines;
	return true;
}

static void chase_32m(unsigned n)
{
	while (n--)
		position = position->next;
	KEEP(position);
}

/* ---- matrix rows: one operation is 128 x 128 multiply-adds ---- */

enum { SIDE = 128 };

static double matrix[SIDE][SIDE], row[SIDE], product[SIDE];
static float matrix_f[SIDE][SIDE] __attribute__((aligned(16)));
static float row_f[SIDE] __attribute__((aligned(16))), product_f[SIDE] __attribute__((aligned(16)));

static bool fill_matrices(void)
{
	for (int i = 0; i < SIDE; i++) {
		row_f[i] = (float)(row[i] = 1.0 / (i + 1));
		for (int j = 0; j < SIDE; j++)
			matrix_f[i][j] = (float)(matrix[i][j] = (i * 31 + j * 17) % 101 / 101.0);
	}
	return true;
}

static void matmul_double_row128(unsigned n)
{
	while (n--) {
		for (int j = 0; j < SIDE; j++) {
			double sum = 0;

			for (int k = 0; k < SIDE; k++)
				sum += row[k] * matrix[k][j];
			product[j] = sum;
		}
		row[n % SIDE] = product[0] * 1e-3;
		KEEP(&product);
	}
}

__attribute__((target("sse2"))) static void matmul_sse_float_row128(unsigned n)
{
	while (n--) {
		for (int j = 0; j < SIDE; j += 16) {
			__m128 s0 = _mm_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;

			for (int k = 0; k < SIDE; k++) {
				__m128 factor = _mm_set1_ps(row_f[k]);
				const float *m = &matrix_f[k][j];

				s0 = _mm_add_ps(s0, _mm_mul_ps(factor, _mm_load_ps(m)));
				s1 = _mm_add_ps(s1, _mm_mul_ps(factor, _mm_load_ps(m + 4)));
				s2 = _mm_add_ps(s2, _mm_mul_ps(factor, _mm_load_ps(m + 8)));
				s3 = _mm_add_ps(s3, _mm_mul_ps(factor, _mm_load_ps(m + 12)));
			}
			_mm_store_ps(product_f + j, s0);
			_mm_store_ps(product_f + j + 4, s1);
			_mm_store_ps(product_f + j + 8, s2);
			_mm_store_ps(product_f + j + 12, s3);
		}
		KEEP(&product_f);
	}
}

/* ---- calls and branches ---- */

/* In assembly, so that no compiler unrolls the recursion: fib(15) is 1973 calls. */
unsigned workload_fib(unsigned n);
__asm__(".text\n"
        ".type workload_fib, @function\n"
        "workload_fib:\n"
        "	push %ebx\n"
        "	push %esi\n"
        "	mov 12(%esp), %ebx\n"
        "	mov %ebx, %eax\n"
        "	cmp $2, %ebx\n"
        "	jb 1f\n"
        "	lea -1(%ebx), %eax\n"
        "	push %eax\n"
        "	call workload_fib\n"
        "	mov %eax, %esi\n"
        "	lea -2(%ebx), %eax\n"
        "	mov %eax, (%esp)\n"
        "	call workload_fib\n"
        "	add $4, %esp\n"
        "	add %esi, %eax\n"
        "1:	pop %esi\n"
        "	pop %ebx\n"
        "	ret\n");

static void call_ret_fib15(unsigned n)
{
	while (n--)
		need(workload_fib(15) == 610, "fib");
}

#define TARGET(number)                                                                             \
	__attribute__((noinline, noclone)) static unsigned target##number(unsigned x)              \
	{                                                                                          \
		__asm__ volatile("" : "+r"(x));                                                    \
		return x * 2 + number;                                                             \
	}
TARGET(0)
TARGET(1)
TARGET(2)
TARGET(3)
TARGET(4)
TARGET(5)
TARGET(6)
TARGET(7)

static unsigned (*const volatile targets[8])(unsigned) = {
    target0, target1, target2, target3, target4, target5, target6, target7,
};

/* The next target depends on the last result, with a period the predictor does not learn whole. */
static void indirect_call(unsigned n)
{
	uint32_t x = 1;

	while (n--) {
		x = x * 1664525 + 1013904223;
		x ^= targets[n & 7](x >> 8) & 1;
	}
	KEEP(x);
}

/* One operation: 4096 bytes, one at a time, each step depending on the last. */
static void byte_loop_4k(unsigned n)
{
	uint32_t hash = 1;

	while (n--)
		for (unsigned i = 0; i < PAGE; i++) {
			hash = (hash << 5 | hash >> 27) ^ message[i];
			__asm__ volatile("" : "+r"(hash));
		}
	KEEP(hash);
}

/* 32 bits by 32 bits, each dividend being the last quotient made large again. */
static void divide_32(unsigned n)
{
	uint32_t dividend = 0xfffffff1, divisor = 7;

	while (n--) {
		uint32_t high = 0, low = dividend;

		__asm__ volatile("divl %2" : "+a"(low), "+d"(high) : "r"(divisor) : "cc");
		dividend = low | 0xf0000000;
	}
	KEEP(dividend);
}

const struct item compute_items[] = {
    {"sha256_4k", .prepare = make_sha_tables, .run = sha256_4k},
    {"chase_32m", .prepare = make_chain, .run = chase_32m},
    {"matmul_double_row128", .prepare = fill_matrices, .run = matmul_double_row128},
    {"matmul_sse_float_row128", .prepare = fill_matrices, .run = matmul_sse_float_row128},
    {"call_ret_fib15", .run = call_ret_fib15},
    {"indirect_call", .run = indirect_call},
    {"byte_loop_4k", .run = byte_loop_4k},
    {"divide_32", .run = divide_32},
    {0},
};
