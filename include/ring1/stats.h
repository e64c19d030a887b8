/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Everything that is counted: one list, read by the core, by --stats and by the tests. */
#ifndef RING1_STATS_H
#define RING1_STATS_H

#define STATS(X)                                                                                   \
	X(exit_gate_site, "exits", "far calls for a rewritten instruction")                        \
	X(exit_gate_deliver, "exits", "far calls to deliver a pending interrupt")                  \
	X(exit_gate_iret, "exits", "far calls for an IRET the ROM does not finish")                \
	X(exit_gate_segment, "exits", "far calls for a segment load or store")                     \
	X(exit_gate_syscall, "exits", "far calls for a system call the ROM does not finish")       \
	X(exit_trap, "exits", "instructions emulated after a host exception")                      \
	X(exit_trap_unknown, "exits", "of these, kernel instructions nobody annotated")            \
	X(signal_segv, "host signals", "SIGSEGV")                                                  \
	X(signal_bus, "host signals", "SIGBUS")                                                    \
	X(signal_fpe, "host signals", "SIGFPE")                                                    \
	X(signal_ill, "host signals", "SIGILL")                                                    \
	X(signal_trap, "host signals", "SIGTRAP")                                                  \
	X(signal_sys, "host signals", "SIGSYS (a system call instruction)")                        \
	X(signal_kick, "host signals", "kicks by main")                                            \
	X(host_mmap, "host calls", "mmap")                                                         \
	X(host_munmap, "host calls", "munmap")                                                     \
	X(host_mprotect, "host calls", "mprotect")                                                 \
	X(host_ioctl, "host calls", "ioctl of a userfaultfd")                                      \
	X(host_modify_ldt, "host calls", "modify_ldt")                                             \
	X(host_futex, "host calls", "futex")                                                       \
	X(map_pages, "mappings", "guest pages mapped")                                             \
	X(map_around, "mappings", "of these, neighbours of the one asked for")                     \
	X(map_new_cell, "mappings", "misses of new cells in the kernel half that were foreseen")   \
	X(map_prefill, "mappings", "pages mapped on return from an injected page fault")           \
	X(window_open, "mappings", "windows opened")                                               \
	X(window_page, "mappings", "pages mapped in windows")                                      \
	X(window_again, "mappings", "pages of windows that the host had unmapped by itself")       \
	X(map_upgrade, "mappings", "pages mapped read-only that became writable")                  \
	X(map_spared, "mappings", "string instructions executed instead of mapping their page")    \
	X(evict, "mappings", "times the host was out of mappings")                                 \
	X(evict_pages, "mappings", "pages given back then")                                        \
	X(low_access, "mappings", "instructions executed with segments moved to low pages")        \
	X(lazy_fill, "mappings", "pieces of 64 KiB copied out of a snapshot's file")               \
	X(unmap_runs, "mappings", "runs dropped")                                                  \
	X(tables_compared, "mappings", "page-table pages compared")                                \
	X(invlpg, "mappings", "INVLPG")                                                            \
	X(cr3_load, "address spaces", "CR3 loads")                                                 \
	X(cr3_same, "address spaces", "of these, into the cell that runs")                         \
	X(cell_handover, "address spaces", "hand-overs between cells")                             \
	X(cell_miss, "address spaces", "CR3 values no cell held")                                  \
	X(cell_again, "address spaces", "of these, that took over the cell of one that is gone")   \
	X(kernel_resync, "address spaces", "cells that compared their kernel half whole")          \
	X(interrupt, "injections", "interrupts delivered")                                         \
	X(nmi, "injections", "non-maskable interrupts delivered")                                  \
	X(exception, "injections", "exceptions delivered (page faults apart)")                     \
	X(page_fault_user, "injections", "page faults of user code")                               \
	X(page_fault_kernel, "injections", "page faults of kernel code")                           \
	X(page_fault_hidden, "injections", "page faults the guest never sees")                     \
	X(deliver_kick, "deliveries", "the kick that announced them")                              \
	X(deliver_enable, "deliveries", "an enable that found them pending")                       \
	X(deliver_disable, "deliveries", "a disable: enabled, and yet to come")                    \
	X(deliver_iret, "deliveries", "an IRET")                                                   \
	X(deliver_exit, "deliveries", "another exit")                                              \
	X(deliver_halt, "deliveries", "HLT")                                                       \
	X(deliver_bound, "deliveries", "the bound of 1 ms")                                        \
	X(syscall_rom, "calls", "system calls through the vDSO and the ROM")                       \
	X(syscall_trap, "calls", "system calls by a host signal")                                  \
	X(iret_user_rom, "calls", "IRET to user mode in the ROM")                                  \
	X(iret_kernel_rom, "calls", "IRET to kernel mode in the ROM")                              \
	X(iret_core, "calls", "IRET in the core")                                                  \
	X(segment_rom, "calls", "segment loads in the ROM")                                        \
	X(halt, "calls", "halts")                                                                  \
	X(port_io, "calls", "port accesses")                                                       \
	X(text_patch, "calls", "writes of kernel text")                                            \
	X(module_load, "modules", "loaded and shown to the annotator")                             \
	X(module_free, "modules", "pieces of text given back")                                     \
	X(probe_restored, "modules", "windows taken back for a probe or breakpoint")               \
	X(probe_refused, "modules", "probes refused: on a far transfer or IRET")                   \
	X(frame_named, "injections", "frames that name the kernel's address, not a stub's")        \
	X(foreign_segment, "calls", "host selectors found in user segment registers")

/* Bucket n of machine.delivery_delay: a masked interrupt came after 2^n to 2^(n+1) - 1 ns. */
#define DELAY_BUCKETS 40

enum statistic {
#define X(name, group, text) STAT_##name,
	STATS(X)
#undef X
	    STAT_COUNT
};

#endif
