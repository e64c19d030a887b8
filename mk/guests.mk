# Guests: what ring1 boots in the demo and the tests.
#   deps     install the Debian packages that are missing
#   guests   Debian's i386 kernels and an initramfs with busybox and the self-test, below build/guests
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

.PHONY: deps guests demo selftest-native FORCE

deps:
	@scripts/deps

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

$(GUEST_INITRAMFS): $(GUESTS)/initramfs.list $(GUESTS)/mkinitramfs $(SELFTEST) guests/init/init guests/init/profile
	@echo "  INITRAMFS   $@"
	@$(GUESTS)/mkinitramfs $< >$@.raw
	@gzip -9nc $@.raw >$@.new && rm $@.raw && mv $@.new $@
