# Guests: what ring1 boots in the demo and the tests.
#   deps     install the Debian packages that are missing; deps-tests: also what only some tests need
#   guests   Debian's i386 kernels and an initramfs with busybox and the self-test, below build/guests
#   guests-old  the initramfs for kernels on which Debian's libc does not run (before 2.6.29): OLD_CC compiles and links
#            static i386 programs against another libc, as musl's wrapper does; OLD_BUSYBOX is a busybox made with it
#   demo     all of it from scratch, then a guest in this terminal (or the self-test when there is none)

GUESTS := build/guests
GUEST_KERNELS := $(GUESTS)/debian-686/vmlinuz $(GUESTS)/debian-686-pae/vmlinuz
GUEST_INITRAMFS := $(GUESTS)/busybox.cpio.gz
SELFTEST := $(GUESTS)/selftest

SELFTEST_SOURCES := $(sort $(wildcard guests/selftest/*.c))
SELFTEST_OBJECTS := $(SELFTEST_SOURCES:guests/selftest/%.c=$(GUESTS)/obj/%.o)
# No frame-pointer or vectorizing tricks: the program tests the machine, not the compiler.
SELFTEST_CFLAGS := -m32 -std=gnu11 -O2 -g -Wall -Wextra -pthread -fno-pie -fno-tree-vectorize
# The guest's clock must not be before the moment the program was built.
SELFTEST_BUILT := $(or $(SOURCE_DATE_EPOCH),$(shell date +%s))

.PHONY: deps deps-tests guests guests-old demo selftest-native FORCE

deps:
	@scripts/deps

deps-tests:
	@scripts/deps --tests

guests: $(GUEST_KERNELS) $(GUEST_INITRAMFS)

# Make reads the tree again after deps: libraries may have appeared.
demo:
	@scripts/deps
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory guests
	@scripts/demo

# The self-test on this machine, to tell a fault of the guest from one of the test.
selftest-native: $(SELFTEST) $(GUESTS)/fetched
	SELFTEST_ROOT=$(GUESTS)/root $(SELFTEST)

# Asked every time, touched by the script only when something changed; quiet and quick when nothing is to do.
$(GUESTS)/fetched: FORCE
	@scripts/fetch-guests

$(GUEST_KERNELS): $(GUESTS)/fetched ;

$(GUESTS)/obj/%.o: guests/selftest/%.c guests/selftest/selftest.h mk/guests.mk
	@mkdir -p $(@D)
	@echo "  CC (guest)  $<"
	@$(CC) $(SELFTEST_CFLAGS) -DSELFTEST_BUILT=$(SELFTEST_BUILT)LL -c -o $@ $<

$(SELFTEST): $(SELFTEST_OBJECTS)
	@echo "  LD (guest)  $@"
	@$(CC) -m32 -static -no-pie -pthread -o $@ $^ -lm

$(GUESTS)/mkinitramfs: guests/mkinitramfs.c
	@mkdir -p $(@D)
	@echo "  CC          $<"
	@$(CC) -std=gnu11 -O2 -Wall -Wextra -o $@ $<

$(GUESTS)/initramfs.list: guests/init/initramfs.list $(GUESTS)/fetched
	@{ cat $<; $(GUESTS)/root/bin/busybox --list | sed '/^busybox$$/d; s,.*,link bin/& busybox,'; } >$@.new
	@mv $@.new $@

# ---- the same for old kernels ----

OLD_SELFTEST_OBJECTS := $(SELFTEST_SOURCES:guests/selftest/%.c=$(GUESTS)/old/%.o)

guests-old: $(GUESTS)/old.cpio.gz

$(GUESTS)/old/%.o: guests/selftest/%.c guests/selftest/selftest.h mk/guests.mk
	@mkdir -p $(@D)
	@echo "  CC (old)    $<"
	@$(or $(OLD_CC),$(error OLD_CC is not set: see mk/guests.mk)) $(SELFTEST_CFLAGS) \
		-DSELFTEST_BUILT=$(SELFTEST_BUILT)LL -c -o $@ $<

$(GUESTS)/old/selftest: $(OLD_SELFTEST_OBJECTS)
	@echo "  LD (old)    $@"
	@$(OLD_CC) -m32 -static -no-pie -pthread -o $@ $^ -lm

# Without the dynamic programs: their checks are skipped.
$(GUESTS)/old/initramfs.list: guests/init/initramfs.list
	@mkdir -p $(@D)
	@{ sed -e '/^# Dynamic/,$$d' -e 's,build/guests/root/bin/busybox,$(or $(OLD_BUSYBOX),$(error OLD_BUSYBOX is not set)),' \
		-e 's,build/guests/selftest,$(GUESTS)/old/selftest,' $<; \
	   $(OLD_BUSYBOX) --list | sed '/^busybox$$/d; s,.*,link bin/& busybox,'; } >$@.new
	@mv $@.new $@

$(GUESTS)/old.cpio.gz: $(GUESTS)/old/initramfs.list $(GUESTS)/mkinitramfs $(GUESTS)/old/selftest guests/init/init guests/init/profile
	@echo "  INITRAMFS   $@"
	@$(GUESTS)/mkinitramfs $< >$@.raw
	@gzip -9nc $@.raw >$@.new && rm $@.raw && mv $@.new $@

$(GUEST_INITRAMFS): $(GUESTS)/initramfs.list $(GUESTS)/mkinitramfs $(SELFTEST) guests/init/init guests/init/profile
	@echo "  INITRAMFS   $@"
	@$(GUESTS)/mkinitramfs $< >$@.raw
	@gzip -9nc $@.raw >$@.new && rm $@.raw && mv $@.new $@

# ---- conformance: bare kernels, each with the tests of a group of VMI calls (guests/conformance) ----

CONFORMANCE := guests/conformance
CONFORMANCE_LIBRARY := main trap rom memory
CONFORMANCE_GROUPS := $(filter-out $(CONFORMANCE_LIBRARY) kicked stepped,$(sort $(notdir $(basename $(wildcard $(CONFORMANCE)/*.c)))))
# A group is built once more for PAE if it asks for it in its name's list here.
CONFORMANCE_PAE := $(filter paging,$(CONFORMANCE_GROUPS))
CONFORMANCE_KERNELS := $(CONFORMANCE_GROUPS:%=$(GUESTS)/conformance/%.elf) \
	$(CONFORMANCE_PAE:%=$(GUESTS)/conformance/%_pae.elf)
CONFORMANCE_CFLAGS := -m32 -std=gnu11 -O2 -g -Wall -Wextra -Werror -Iinclude -ffreestanding -fno-pie \
	-mgeneral-regs-only -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
	-fno-strict-aliasing -fno-tree-loop-distribute-patterns -fno-toplevel-reorder

$(GUESTS)/conformance/%.o: $(CONFORMANCE)/%.c $(wildcard $(CONFORMANCE)/*.h) include/vmi/vmi.h mk/guests.mk
	@mkdir -p $(@D)
	@echo "  CC (guest)  $<"
	@$(CC) $(CONFORMANCE_CFLAGS) -c -o $@ $<

$(GUESTS)/conformance/%.o: $(CONFORMANCE)/%.S $(CONFORMANCE)/machine.h mk/guests.mk
	@mkdir -p $(@D)
	@$(CC) $(CONFORMANCE_CFLAGS) -c -o $@ $<

$(GUESTS)/conformance/%_pae.o: $(CONFORMANCE)/%.c $(wildcard $(CONFORMANCE)/*.h) include/vmi/vmi.h mk/guests.mk
	@mkdir -p $(@D)
	@echo "  CC (guest)  $< (PAE)"
	@$(CC) $(CONFORMANCE_CFLAGS) -DPAE -c -o $@ $<

$(GUESTS)/conformance/%_pae.o: $(CONFORMANCE)/%.S $(CONFORMANCE)/machine.h mk/guests.mk
	@mkdir -p $(@D)
	@$(CC) $(CONFORMANCE_CFLAGS) -DPAE -c -o $@ $<

CONFORMANCE_COMMON := start call $(CONFORMANCE_LIBRARY)
$(GUESTS)/conformance/%_pae.elf: $(GUESTS)/conformance/%_pae.o $(CONFORMANCE_COMMON:%=$(GUESTS)/conformance/%_pae.o) $(CONFORMANCE)/link.lds
	@$(CC) -m32 -static -nostdlib -no-pie -Wl,--build-id=none,-z,noexecstack,--no-warn-rwx-segments -T $(CONFORMANCE)/link.lds -o $@ $(filter %.o,$^)

$(GUESTS)/conformance/%.elf: $(GUESTS)/conformance/%.o $(CONFORMANCE_COMMON:%=$(GUESTS)/conformance/%.o) $(CONFORMANCE)/link.lds
	@$(CC) -m32 -static -nostdlib -no-pie -Wl,--build-id=none,-z,noexecstack,--no-warn-rwx-segments -T $(CONFORMANCE)/link.lds -o $@ $(filter %.o,$^)

# For tests/tools/kick_each.c. It makes system calls by the vDSO's way, so it knows a place in the hole.
KICKED := $(GUESTS)/kicked.elf
$(GUESTS)/conformance/kicked.o: CONFORMANCE_CFLAGS += -DSLOT='"$(shell awk '$$2 == "VCPU_SYSCALL_SLOT" { print $$3 }' build/asm_offsets.h 2>/dev/null)"'
$(GUESTS)/conformance/kicked.o: build/asm_offsets.h
$(KICKED): $(GUESTS)/conformance/kicked.o $(CONFORMANCE_COMMON:%=$(GUESTS)/conformance/%.o) $(CONFORMANCE)/link.lds
	@$(CC) -m32 -static -nostdlib -no-pie -Wl,--build-id=none,-z,noexecstack,--no-warn-rwx-segments -T $(CONFORMANCE)/link.lds -o $@ $(filter %.o,$^)

# For tests/system/test_stepping.sh: it is about instructions, not about calls.
STEPPED := $(GUESTS)/stepped.elf
$(STEPPED): $(GUESTS)/conformance/stepped.o $(CONFORMANCE_COMMON:%=$(GUESTS)/conformance/%.o) $(CONFORMANCE)/link.lds
	@$(CC) -m32 -static -nostdlib -no-pie -Wl,--build-id=none,-z,noexecstack,--no-warn-rwx-segments -T $(CONFORMANCE)/link.lds -o $@ $(filter %.o,$^)

.PHONY: conformance
.SECONDARY: $(foreach o,$(CONFORMANCE_COMMON) $(CONFORMANCE_GROUPS),$(GUESTS)/conformance/$(o).o $(GUESTS)/conformance/$(o)_pae.o)
conformance: $(CONFORMANCE_KERNELS)

# ---- a bare multiboot kernel, as an ELF file and as bytes with address fields ----

MULTIBOOT := $(GUESTS)/multiboot/plain.elf $(GUESTS)/multiboot/plain.bin $(GUESTS)/multiboot/tasks.elf \
	$(GUESTS)/multiboot/nmi.elf $(GUESTS)/multiboot/user.elf
MULTIBOOT_LINK := -m32 -static -nostdlib -no-pie -Wl,--build-id=none,-z,noexecstack,--no-warn-rwx-segments

$(GUESTS)/multiboot/%.elf: guests/multiboot/%.c guests/multiboot/plain.lds $(wildcard guests/multiboot/*.h) mk/guests.mk
	@mkdir -p $(@D)
	@echo "  CC (guest)  $<"
	@$(CC) $(CONFORMANCE_CFLAGS) $(MULTIBOOT_LINK) -T guests/multiboot/plain.lds -o $@ $<

$(GUESTS)/multiboot/plain.bin: guests/multiboot/plain.c guests/multiboot/plain.lds $(wildcard guests/multiboot/*.h) mk/guests.mk
	@mkdir -p $(@D)
	@echo "  CC (guest)  $< (bytes)"
	@$(CC) $(CONFORMANCE_CFLAGS) $(MULTIBOOT_LINK) -DADDRESSES -T guests/multiboot/plain.lds -o $@.elf $<
	@objcopy -O binary $@.elf $@

# The bare guest that looks at interrupt delivery: tests/system/test_delivery.sh, bench/delivery.
DELIVERY_GUEST := $(GUESTS)/delivery
DELIVERY_SOURCES := $(sort $(wildcard guests/delivery/*.c guests/delivery/*.S))
BARE_CFLAGS := -m32 -march=i686 -std=gnu11 -O2 -g -Wall -Wextra -Iinclude -ffreestanding -fno-pic -fno-pie -mgeneral-regs-only \
	-fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables

$(DELIVERY_GUEST): $(DELIVERY_SOURCES) guests/delivery/guest.h guests/delivery/delivery.lds include/vmi/vmi.h mk/guests.mk
	@mkdir -p $(@D)
	@echo "  CC (guest)  $@"
	@$(CC) $(BARE_CFLAGS) -nostdlib -static -Wl,--build-id=none -no-pie -Wl,-z,noexecstack -Wl,-T,guests/delivery/delivery.lds \
		-Wl,--no-warn-rwx-segments -o $@ $(DELIVERY_SOURCES)

# ---- a bare kernel that does what kernels must not (guests/hostile_kernel) ----

HOSTILE_KERNEL := $(GUESTS)/hostile_kernel.elf

$(HOSTILE_KERNEL): $(wildcard guests/hostile_kernel/*.[cSh]) $(CONFORMANCE)/link.lds include/vmi/vmi.h mk/guests.mk
	@mkdir -p $(@D)
	@echo "  CC (guest)  $<"
	@$(CC) $(CONFORMANCE_CFLAGS) $(MULTIBOOT_LINK) -T $(CONFORMANCE)/link.lds -o $@ $(filter %.c %.S,$^)
