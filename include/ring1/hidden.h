/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Included before everything in the cell program: nothing is reached through a GOT, because
 * the program is linked at a fixed place and has no writable data. */
#pragma GCC visibility push(hidden)
