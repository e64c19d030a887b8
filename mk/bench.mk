# Bench: the same work on this machine, in ring1, in QEMU and in User Mode Linux (docs/performance.md).
#   bench       measures; BENCH_ARGS are bench/run's options (bench/run --help)
#   bench-vmi   the same for a kernel that speaks VMI, with the ROM and without (docs/vmi-performance.md):
#               VMI_BENCH_KERNEL (2.6.32-up) below $RING1_VMI_KERNELS; without that it says so and ends
#   bench-snapshot  times of snapshots, restores and clones
#   bench-files builds and fetches what it needs, below build/bench

BENCH := build/bench
BENCH_WORKLOAD := $(BENCH)/workload
BENCH_INITRAMFS := $(BENCH)/bench.cpio.gz
BENCH_LAUNCH := $(BENCH)/launch

BENCH_WORKLOAD_SOURCES := $(sort $(wildcard bench/workload/*.c))
BENCH_WORKLOAD_OBJECTS := $(BENCH_WORKLOAD_SOURCES:bench/workload/%.c=$(BENCH)/obj/%.o)
BENCH_WARN := -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes
BENCH_WORKLOAD_CFLAGS := -m32 -std=gnu11 -O2 -g -D_GNU_SOURCE $(BENCH_WARN) -pthread -fno-pie

VMI_BENCH_KERNEL ?= 2.6.32-up

.PHONY: bench bench-vmi bench-files bench-gcc-files

bench: all $(if $(findstring --gcc,$(BENCH_ARGS)),bench-gcc-files) $(if $(findstring --disks,$(BENCH_ARGS))$(findstring --net,$(BENCH_ARGS)),bench-disks-files) bench-files
	@bench/run $(BENCH_ARGS)

bench-vmi: all bench-files
	@bench/run --vmi $(VMI_BENCH_KERNEL) $(BENCH_ARGS)

# Where gcc could be fetched, an initramfs that holds it as well.
BENCH_GCC := $(BENCH)/bench-gcc.cpio.gz
bench-gcc-files: bench-files
	@[ ! -e $(BENCH)/gcc ] || $(MAKE) --no-print-directory $(BENCH_GCC)

$(BENCH)/initramfs-gcc.list: $(BENCH)/initramfs.list bench/guest/gcc.list
	@cat $^ >$@

$(BENCH_GCC): $(BENCH)/initramfs-gcc.list $(BENCH_INITRAMFS)
	@echo "  INITRAMFS   $@"
	@$(GUESTS)/mkinitramfs $< >$@.raw
	@gzip -1nc $@.raw >$@.new && rm $@.raw && mv $@.new $@

# With the drivers of virtio disks and networks, modules of Debian's kernel; fio and iperf3, where they could be fetched.
BENCH_DISKS := $(BENCH)/bench-disks.cpio.gz
bench-disks-files: bench-files
	@$(MAKE) --no-print-directory $(BENCH_DISKS)

$(BENCH)/fio-absent/libabsent.so: $(BENCH)/fetched bench/absent
	@mkdir -p $(@D)
	@[ ! -e $(BENCH)/fio ] || bench/absent $(BENCH)/fio/usr/bin/fio $@

$(BENCH)/initramfs-disks.list: $(BENCH)/initramfs.list $(BENCH)/fio-absent/libabsent.so bench/guest/fio.list bench/guest/iperf.list mk/bench.mk
	@{ cat $<; [ ! -e $(BENCH)/fio ] || cat bench/guest/fio.list; [ ! -e $(BENCH)/iperf ] || cat bench/guest/iperf.list; \
	   echo 'dir modules 0755'; \
	   find $(GUESTS)/debian-686/modules/*/kernel/drivers/virtio $(GUESTS)/debian-686/modules/*/kernel/drivers/block \
		$(GUESTS)/debian-686/modules/*/kernel/drivers/net $(GUESTS)/debian-686/modules/*/kernel/net/core \
		'(' -name 'virtio*.ko' -o -name '*failover.ko' ')' | sed 's,.*/\(.*\),file modules/\1 0644 &,'; } >$@

$(BENCH_DISKS): $(BENCH)/initramfs-disks.list $(BENCH_INITRAMFS)
	@echo "  INITRAMFS   $@"
	@$(GUESTS)/mkinitramfs $< >$@.raw
	@gzip -1nc $@.raw >$@.new && rm $@.raw && mv $@.new $@

bench-files: $(BENCH_WORKLOAD) $(BENCH_INITRAMFS) $(BENCH_LAUNCH) $(GUEST_KERNELS)

$(BENCH)/obj/%.o: bench/workload/%.c bench/workload/workload.h mk/bench.mk
	@mkdir -p $(@D)
	@echo "  CC (guest)  $<"
	@$(CC) $(BENCH_WORKLOAD_CFLAGS) -c -o $@ $<

$(BENCH_WORKLOAD): $(BENCH_WORKLOAD_OBJECTS)
	@echo "  LD (guest)  $@"
	@$(CC) -m32 -static -no-pie -pthread -o $@ $^

$(BENCH_LAUNCH): bench/launch.c
	@mkdir -p $(@D)
	@echo "  CC          $<"
	@$(CC) -std=gnu11 -O2 -D_GNU_SOURCE $(BENCH_WARN) -o $@ $<

# tcc, fio, iperf3 and User Mode Linux: a package that cannot be had leaves its rows out.
$(BENCH)/fetched: FORCE
	@bench/fetch

$(BENCH)/initramfs.list: $(GUESTS)/initramfs.list bench/guest/initramfs.list $(BENCH)/fetched
	@{ cat $(GUESTS)/initramfs.list bench/guest/initramfs.list; \
	   [ ! -e $(BENCH)/tcc ] || cat bench/guest/tcc.list; } >$@.new
	@mv $@.new $@

# The usual initramfs comes first: what it holds is there then.
$(BENCH_INITRAMFS): $(BENCH)/initramfs.list $(GUEST_INITRAMFS) $(BENCH_WORKLOAD) bench/guest/bench-init bench/guest/configure
	@echo "  INITRAMFS   $@"
	@$(GUESTS)/mkinitramfs $< >$@.raw
	@gzip -9nc $@.raw >$@.new && rm $@.raw && mv $@.new $@

# Delivery of interrupts: the study of docs/delivery.md. DELIVERY_ARGS are bench/delivery/run's options.
# RING1_VMI_KERNELS=DIRECTORY adds VMI kernels, DIRECTORY/NAME/bzImage or vmlinux.
DELIVERY_BENCH := $(BENCH)/delivery
DELIVERY_LOAD := $(DELIVERY_BENCH)/load
DELIVERY_INITRAMFS := $(DELIVERY_BENCH)/load.cpio.gz

.PHONY: delivery delivery-files

delivery: all delivery-files
	@bench/delivery/run $(DELIVERY_ARGS)

delivery-files: $(DELIVERY_GUEST) $(DELIVERY_INITRAMFS) $(GUEST_KERNELS)

$(DELIVERY_LOAD): guests/load/load.c guests/parameter.h mk/bench.mk
	@mkdir -p $(@D)
	@echo "  CC (guest)  $<"
	@$(CC) $(BENCH_WORKLOAD_CFLAGS) -static -no-pie -o $@ $< -lm

$(DELIVERY_INITRAMFS): $(GUESTS)/initramfs.list $(GUEST_INITRAMFS) $(DELIVERY_LOAD)
	@echo "  INITRAMFS   $@"
	@{ cat $<; echo "file bin/load 0755 $(DELIVERY_LOAD)"; } >$(DELIVERY_BENCH)/load.list
	@$(GUESTS)/mkinitramfs $(DELIVERY_BENCH)/load.list >$@.raw
	@gzip -9nc $@.raw >$@.new && rm $@.raw && mv $@.new $@

# Snapshots: times and memory (bench/snapshot says what). SNAPSHOT_TIMES of each.
.PHONY: bench-snapshot
bench-snapshot: all $(GUEST_KERNELS) $(GUEST_INITRAMFS)
	@bench/snapshot $(SNAPSHOT_TIMES)
