# SPDX-License-Identifier: GPL-2.0-or-later
# ring1: `make` builds build/ring1, `make demo` shows it, `make test` runs every test.
# SLOW=1 does either without the fast paths (include/ring1/fast.h), in a tree of its own: mk/slow.mk.

ifneq ($(if $(SLOW),$(IN_SLOW_TREE),no tree needed),)

CC ?= gcc
BUILD := build
PREFIX ?= /usr/local
VERSION := 0.1

CPPFLAGS_ALL := -Iinclude -I. -I$(BUILD) -D_GNU_SOURCE -DRING1_VERSION='"$(VERSION)"' $(SLOW_FLAGS)
WARN := -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes
CFLAGS ?= -O2 -g
HOST_CFLAGS := -std=gnu11 $(WARN) $(CFLAGS) $(CPPFLAGS_ALL) -fPIE -pthread
# The core and the devices inside a cell: no libc, no FPU registers (they hold the guest's).
CELL_CFLAGS := -std=gnu11 $(WARN) -O2 -g $(CPPFLAGS_ALL) -ffreestanding -fPIE -include include/ring1/hidden.h \
	-mgeneral-regs-only -mno-red-zone -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -fno-strict-aliasing -mfsgsbase -ffunction-sections
LIBS := -lZydis -llzma -lzstd -llz4 -lz -lbz2 -ljansson -lseccomp -lext2fs -lcom_err -lblkid -lnbd -lxxhash -lslirp

CELL_SRC := $(filter-out core/offsets.c,$(wildcard core/*.c)) $(wildcard cell/*.c) $(wildcard devices/*.c)
CELL_OBJ := $(CELL_SRC:%.c=$(BUILD)/cell/%.o) $(patsubst %.S,$(BUILD)/cell/%.o,$(wildcard cell/*.S)) $(BUILD)/cell/rom_image.o
ROM_OBJ := $(patsubst %.S,$(BUILD)/%.o,$(wildcard rom/*.S))
# Of devices/, what plugs functions in: main does that before the machine runs.
HOST_SRC := $(wildcard main/*.c) $(wildcard backends/*.c) $(wildcard common/*.c) $(wildcard loader/*.c) $(wildcard annotate/*.c) $(wildcard image/*.c) \
	core/decode.c core/operand.c devices/pci.c devices/virtio_pci.c devices/ide.c devices/ata.c devices/atapi.c \
	devices/rtl8139.c devices/eeprom.c
HOST_OBJ := $(HOST_SRC:%.c=$(BUILD)/host/%.o) $(BUILD)/host/image/programs.o $(BUILD)/host/main/embedded.o $(BUILD)/host/main/option_rom.o $(BUILD)/host/main/rom_image.o
GENERATED := $(BUILD)/asm_offsets.h $(BUILD)/rom_symbols.h $(BUILD)/cell_filter.h

.PHONY: all test clean install tour
.DELETE_ON_ERROR:
all: $(BUILD)/ring1

# ---- generated headers ----

$(BUILD)/asm_offsets.h: core/offsets.c include/ring1/*.h core/*.h devices/*.h Makefile
	@mkdir -p $(@D)
	@$(CC) $(CELL_CFLAGS) -S -o $(BUILD)/offsets.s $<
	@{ echo '/* Generated from core/offsets.c. */'; \
	   sed -n 's/^->\([A-Z0-9_]*\) \$$\(-\{0,1\}[0-9]*\)$$/#define \1 \2/p' $(BUILD)/offsets.s; \
	 } >$@

$(BUILD)/rom_symbols.h: $(BUILD)/rom.elf
	@{ echo '/* Generated from the ROM. */'; \
	   nm $< | sort | sed -n 's/^\([0-9a-f]*\) [Tt] \(rom_[A-Za-z0-9_]*\)$$/\2 0x\1/p' | \
	   awk '{print "#define " toupper($$1) " " $$2 "u"}'; } >$@

$(BUILD)/cell_filter.h: cell/host.h scripts/seccomp-filter
	@mkdir -p $(@D)
	@scripts/seccomp-filter cell/host.h >$@

# ---- the ROM: 32-bit code, linked at its place in the hole ----

$(BUILD)/rom/%.o: rom/%.S rom/rom.h cell/gate.h include/vmi/vmi.h $(BUILD)/asm_offsets.h
	@mkdir -p $(@D)
	@$(CC) -m32 $(CPPFLAGS_ALL) -c -o $@ $<

$(BUILD)/rom.elf: $(ROM_OBJ)
	@ld -m elf_i386 -Ttext=$$(sed -n 's/^#define HOLE_ROM  *\(0x[0-9a-f]*\).*/\1/p' include/ring1/layout.h) \
		-e 0 --orphan-handling=place -z noexecstack -o $@ $^

$(BUILD)/rom.bin: $(BUILD)/rom.elf
	@objcopy -O binary -j .text $< $@

# The option ROM that a VMI kernel finds in guest memory: position independent, jumps to the hole.
$(BUILD)/rom/option/header.o: $(BUILD)/rom_symbols.h include/ring1/layout.h

$(BUILD)/option.bin: $(BUILD)/rom/option/header.o
	@objcopy -O binary -j .text $< $@

$(BUILD)/host/main/option_rom.o: $(BUILD)/option.bin
	@mkdir -p $(@D)
	@printf '.section .rodata\n.globl option_rom,option_rom_end\noption_rom:\n.incbin "%s"\noption_rom_end:\n.section .note.GNU-stack,"",@progbits\n' $< | as --64 -o $@ -

# Once more for main, which reads there what the ROM answers (main/rom_answers.c).
$(BUILD)/host/main/rom_image.o: $(BUILD)/rom.bin
	@mkdir -p $(@D)
	@printf '.section .rodata\n.globl rom_image,rom_image_end\nrom_image:\n.incbin "%s"\nrom_image_end:\n.section .note.GNU-stack,"",@progbits\n' $< | as --64 -o $@ -

$(BUILD)/cell/rom_image.o: $(BUILD)/rom.bin
	@mkdir -p $(@D)
	@printf '.section .rom,"ax",@progbits\n.incbin "%s"\n.section .note.GNU-stack,"",@progbits\n' $< | as --64 -o $@ -

# ---- the cell program ----

# A table with an address in it: a constant only without position independence.
$(BUILD)/cell/cell/jail.o: CELL_CFLAGS += -fno-pie -mcmodel=large

$(BUILD)/cell/%.o: %.c $(GENERATED)
	@mkdir -p $(@D)
	@echo "  CELL  $<"
	@$(CC) $(CELL_CFLAGS) -MMD -c -o $@ $<

$(BUILD)/cell/%.o: %.S $(GENERATED)
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS_ALL) -MMD -c -o $@ $<

$(BUILD)/cell/cell.lds: cell/cell.lds include/ring1/layout.h
	@mkdir -p $(@D)
	@$(CC) -E -P -x c $(CPPFLAGS_ALL) -o $@ $<

$(BUILD)/cell.elf: $(CELL_OBJ) $(BUILD)/cell/cell.lds
	@echo "  LINK  $@"
	@ld -m elf_x86_64 -static -nostdlib -z max-page-size=4096 -z noexecstack --no-warn-rwx-segments \
		-T $(BUILD)/cell/cell.lds -o $@ $(CELL_OBJ)
	@scripts/check-cell $@

# ---- main ----

$(BUILD)/host/main/embedded.o: $(BUILD)/cell.elf
	@mkdir -p $(@D)
	@objcopy --strip-debug $< $(BUILD)/cell.stripped
	@printf '.section .rodata\n.globl cell_program,cell_program_end\n.p2align 12\ncell_program:\n.incbin "%s"\ncell_program_end:\n.section .note.GNU-stack,"",@progbits\n' $(BUILD)/cell.stripped | as --64 -o $@ -

# What ring1 brings into guests and images: its agent, a static i386 program, and scripts.
AGENT_SRC := $(sort $(wildcard guests/agent/*.c)) common/whole_io.c

$(BUILD)/agent: $(AGENT_SRC) guests/agent/agent.h guests/agent/protocol.h common/whole_io.h
	@mkdir -p $(@D)
	@echo "  CC (guest)  $@"
	@$(CC) -m32 -std=gnu11 $(WARN) -O2 -static -s -I. -D_GNU_SOURCE -o $@ $(AGENT_SRC)

$(BUILD)/host/image/programs.o: $(BUILD)/agent image/create.sh image/second_stage.sh
	@mkdir -p $(@D)
	@{ echo '.section .rodata'; \
	   for each in agent_program:$(BUILD)/agent create_script:image/create.sh second_stage_script:image/second_stage.sh; do \
		name=$${each%%:*}; printf '.globl %s,%s_end\n%s:\n.incbin "%s"\n%s_end:\n' $$name $$name $$name "$${each#*:}" $$name; \
	   done; echo '.section .note.GNU-stack,"",@progbits'; } | as --64 -o $@ -

$(BUILD)/host/%.o: %.c $(GENERATED)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(HOST_CFLAGS) -MMD -c -o $@ $<

$(BUILD)/ring1: $(HOST_OBJ)
	@echo "  LINK  $@"
	@$(CC) $(HOST_CFLAGS) -pie -o $@ $^ $(LIBS)

install: all
	install -D -m 755 $(BUILD)/ring1 $(DESTDIR)$(PREFIX)/bin/ring1
	install -D -m 644 docs/ring1.1 $(DESTDIR)$(PREFIX)/share/man/man1/ring1.1

# The sources in reading order, with a pager where somebody reads.
tour:
	@if [ -t 1 ]; then scripts/tour | $${PAGER:-less}; else scripts/tour; fi

clean:
	rm -rf $(BUILD)

-include mk/guests.mk
-include mk/tests.mk
-include mk/bench.mk
-include $(shell find $(BUILD) -path '$(BUILD)/slow*' -prune -o -name '*.d' -print 2>/dev/null)

else
include mk/slow.mk
endif
