# Tests.
#   test         every test of the project; ends with one line "N passed, N failed, N skipped"
#   test-slow    what takes minutes: the guest self-test with every sensitive instruction trapping
#   fuzz         each fuzzer for FUZZ_SECONDS (600), from a new seed; `make test` runs them for 10000 inputs from one
#   calls        the system tests once more, and then what the lists of system calls were used for
#   soak         machines of all kinds for SOAK_SECONDS (3600), SOAK_BOOTS (200) boots first; tests/soak/run says what else
# ONLY=WORD takes only the test programs with WORD in their names, as in `make test ONLY=jail`.

TEST := $(BUILD)/test
, := ,
FUZZ_SECONDS ?= 600
FUZZ_CC ?= clang

# ---- what the unit tests and the fuzzers link: everything that runs without a guest, with sanitizers ----

TESTED_SRC := $(wildcard backends/*.c common/*.c loader/*.c annotate/*.c devices/*.c) core/decode.c core/operand.c \
	main/control_message.c main/gdb_packet.c main/agent_frames.c main/snapshot_file.c main/net_options.c image/reader.c image/boot_files.c image/cpio.c
# The cell's compiler settings where they matter for meaning; recovering from a finding would hide it.
TEST_CFLAGS := -std=gnu11 $(WARN) -O1 -g $(CPPFLAGS_ALL) -fno-omit-frame-pointer -fno-strict-aliasing \
	-fsanitize=address,undefined -fno-sanitize-recover=all -pthread
TESTED_OBJ := $(TESTED_SRC:%.c=$(TEST)/obj/%.o)
UNIT_TESTS := $(patsubst tests/unit/%.c,$(TEST)/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
# Needs a kernel: tests/system/test_annotation_of_debian.sh runs it.
RUN_BY_OTHERS := $(TEST)/unit/test_annotate_kernel

$(TEST)/obj/%.o: %.c $(GENERATED)
	@mkdir -p $(@D)
	@echo "  CC (test)   $<"
	@$(CC) $(TEST_CFLAGS) -MMD -c -o $@ $<

$(TEST)/tested.a: $(TESTED_OBJ)
	@rm -f $@
	@ar rc $@ $^

$(TEST)/unit/%: tests/unit/%.c $(TEST)/tested.a $(GENERATED)
	@mkdir -p $(@D)
	@echo "  CC (test)   $<"
	@$(CC) $(TEST_CFLAGS) -MMD -MF $@.d -o $@ $< $(TEST)/tested.a -lcmocka $(LIBS)

# ---- the same, and ring1 as a whole, with other sanitizers: kinds of sanitizer are names of directories ----

# It does not see fences (-Wno-tsan): those stand between a virtqueue and its guest, which is no thread of ours.
SANITIZED_FLAGS_thread := -fsanitize=thread -Wno-tsan
SANITIZED_FLAGS_address := -fsanitize=address$(,)undefined -fno-sanitize-recover=all
SANITIZED_CFLAGS = -std=gnu11 $(WARN) -O1 -g $(CPPFLAGS_ALL) -fno-omit-frame-pointer -fno-strict-aliasing -fPIE -pthread
# What is not compiled: programs and tables that main carries.
EMBEDDED_OBJ := $(filter-out $(HOST_SRC:%.c=$(BUILD)/host/%.o),$(HOST_OBJ))
THREAD_OBJ := $(sort $(HOST_SRC:%.c=$(TEST)/thread/%.o) $(TESTED_SRC:%.c=$(TEST)/thread/%.o))
# The unit tests of what runs in several threads: all others have one.
THREAD_TESTS := $(patsubst %,$(TEST)/thread/unit/thread_%,annotate annotate_cache)
SANITIZED_RING1 := $(TEST)/thread/ring1 $(TEST)/address/ring1

define sanitized
$(TEST)/$(1)/%.o: %.c $(GENERATED)
	@mkdir -p $$(@D)
	@echo "  CC ($(1))  $$<"
	@$(CC) $$(SANITIZED_CFLAGS) $(SANITIZED_FLAGS_$(1)) -MMD -c -o $$@ $$<

$(TEST)/$(1)/ring1: $(HOST_SRC:%.c=$(TEST)/$(1)/%.o) $(EMBEDDED_OBJ)
	@echo "  LINK  $$@"
	@$(CC) $$(SANITIZED_CFLAGS) $(SANITIZED_FLAGS_$(1)) -pie -o $$@ $$^ $(LIBS)
endef
$(foreach kind,thread address,$(eval $(call sanitized,$(kind))))

$(TEST)/thread/tested.a: $(TESTED_SRC:%.c=$(TEST)/thread/%.o)
	@rm -f $@
	@ar rc $@ $^

$(TEST)/thread/unit/thread_%: tests/unit/test_%.c $(TEST)/thread/tested.a $(GENERATED)
	@mkdir -p $(@D)
	@echo "  CC (thread) $<"
	@$(CC) $(SANITIZED_CFLAGS) $(SANITIZED_FLAGS_thread) -MMD -MF $@.d -o $@ $< $(TEST)/thread/tested.a -lcmocka $(LIBS)

# ---- fuzzers: with clang, whose compiler runtime has libFuzzer ----

FUZZ_CFLAGS := -std=gnu11 -Wall -Wextra -O1 -g $(CPPFLAGS_ALL) -fno-omit-frame-pointer -fno-strict-aliasing \
	-fsanitize=address,undefined -fno-sanitize-recover=all -pthread
FUZZ_OBJ := $(TESTED_SRC:%.c=$(TEST)/fuzz/obj/%.o)
# Compares with an interpreter that is a library (libunicorn-dev).
FUZZERS_LEFT_OUT := $(if $(wildcard /usr/include/unicorn/unicorn.h),,fuzz_core_privileged)
FUZZERS := $(if $(shell command -v $(FUZZ_CC)),$(filter-out $(FUZZERS_LEFT_OUT:%=$(TEST)/fuzz/%),\
	$(patsubst tests/fuzz/%.c,$(TEST)/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))))

$(TEST)/fuzz/obj/%.o: %.c $(GENERATED)
	@mkdir -p $(@D)
	@echo "  CC (fuzz)   $<"
	@$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -MMD -c -o $@ $<

$(TEST)/fuzz/tested.a: $(FUZZ_OBJ)
	@rm -f $@
	@ar rc $@ $^

$(TEST)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(TEST)/fuzz/tested.a $(GENERATED)
	@mkdir -p $(@D)
	@echo "  CC (fuzz)   $<"
	@$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer -MMD -MF $@.d -o $@ $< $(TEST)/fuzz/tested.a $(LIBS)

# Those of main have all of it but its beginning.
FUZZ_MAIN_OBJ := $(patsubst %.c,$(TEST)/fuzz/obj/%.o,$(filter-out main/main.c,$(HOST_SRC)))

$(TEST)/fuzz/main.a: $(FUZZ_MAIN_OBJ) $(EMBEDDED_OBJ)
	@rm -f $@
	@ar rc $@ $^

$(TEST)/fuzz/fuzz_main_%: tests/fuzz/fuzz_main_%.c $(TEST)/fuzz/main.a $(GENERATED)
	@mkdir -p $(@D)
	@echo "  CC (fuzz)   $<"
	@$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer -MMD -MF $@.d -o $@ $< $(TEST)/fuzz/main.a $(LIBS)

# Those of the core run what it emulates on this processor as well (tests/fuzz/host). Without ASan: its shadow lies where
# a cell's addresses are.
FUZZ_CORE_CFLAGS := $(filter-out -fsanitize=address$(,)undefined,$(FUZZ_CFLAGS)) -fsanitize=undefined
FUZZ_CORE_SRC := $(filter-out core/offsets.c,$(wildcard core/*.c)) $(wildcard devices/*.c) $(wildcard tests/fuzz/host/*.c)
FUZZ_CORE_OBJ := $(FUZZ_CORE_SRC:%.c=$(TEST)/fuzz/core/%.o)

$(TEST)/fuzz/core/%.o: %.c $(GENERATED)
	@mkdir -p $(@D)
	@echo "  CC (fuzz)   $<"
	@$(FUZZ_CC) $(FUZZ_CORE_CFLAGS) -fsanitize=fuzzer-no-link -MMD -c -o $@ $<

$(TEST)/fuzz/core.a: $(FUZZ_CORE_OBJ)
	@rm -f $@
	@ar rc $@ $^

$(TEST)/fuzz/fuzz_core_%: tests/fuzz/fuzz_core_%.c $(TEST)/fuzz/core.a $(GENERATED)
	@mkdir -p $(@D)
	@echo "  CC (fuzz)   $<"
	@$(FUZZ_CC) $(FUZZ_CORE_CFLAGS) -fsanitize=fuzzer -MMD -MF $@.d -o $@ $< $(TEST)/fuzz/core.a $(LIBS) $(FUZZ_LIBS)

$(TEST)/fuzz/fuzz_core_privileged: FUZZ_LIBS := -lunicorn

# ---- system tests: build/ring1 with whole guests ----

TEST_TOOLS := $(TEST)/pty $(TEST)/iso $(TEST)/inject $(TEST)/connect $(TEST)/sizes $(TEST)/kick_each $(TEST)/deny $(TEST)/trace_json $(TEST)/peer \
	$(TEST)/snapshot_edit $(TEST)/calls_seen
TEST_PRELOADS := $(TEST)/short_memory.so $(TEST)/bad_disk.so $(TEST)/calls_made.so
TEST_GUESTS := $(TEST)/hostile $(TEST)/counts $(TEST)/files $(TEST)/guest/peer
TEST_INITRAMFS := $(TEST)/guests.cpio.gz
SYSTEM_TESTS := $(sort $(wildcard tests/system/test_*.sh))
SLOW_TESTS := $(sort $(wildcard tests/system/slow_*.sh))

$(TEST_PRELOADS): $(TEST)/%.so: tests/tools/%.c
	@mkdir -p $(@D)
	@echo "  CC (test)   $<"
	@$(CC) -std=gnu11 $(WARN) -O2 -g -fPIC -shared -o $@ $< -ldl

$(TEST_TOOLS): $(TEST)/%: tests/tools/%.c include/ring1/*.h devices/*.h main/snapshot_file.h
	@mkdir -p $(@D)
	@echo "  CC (test)   $<"
	@$(CC) -std=gnu11 $(WARN) -O2 -g $(CPPFLAGS_ALL) -o $@ $< -lutil -lseccomp -ljansson -lxxhash

$(TEST)/sizes.h: $(TEST)/sizes
	@$< >$@

$(TEST)/vmlinux: tests/tools/vmlinux.c $(TEST)/tested.a
	@echo "  CC (test)   $<"
	@$(CC) $(TEST_CFLAGS) -o $@ $^ $(LIBS)

# Static i386 programs for the guest, in an initramfs of their own beside what the demo's holds.
$(TEST)/hostile: guests/hostile/hostile.c guests/hostile/long_mode.S $(TEST)/sizes.h include/ring1/layout.h
	@echo "  CC (guest)  $<"
	@$(CC) $(SELFTEST_CFLAGS) -D_GNU_SOURCE -Iinclude -I$(TEST) -static -no-pie -o $@ $(filter %.c %.S,$^)

$(TEST)/counts: guests/counts/counts.c guests/parameter.h
$(TEST)/files: guests/files/files.c
$(TEST)/counts $(TEST)/files:
	@mkdir -p $(@D)
	@echo "  CC (guest)  $<"
	@$(CC) $(SELFTEST_CFLAGS) -D_GNU_SOURCE -static -no-pie -o $@ $<

$(TEST)/guest/peer: tests/tools/peer.c
	@mkdir -p $(@D)
	@echo "  CC (guest)  $<"
	@$(CC) $(SELFTEST_CFLAGS) -D_GNU_SOURCE -static -no-pie -o $@ $<

$(TEST_INITRAMFS): $(GUESTS)/initramfs.list $(GUESTS)/mkinitramfs $(GUEST_INITRAMFS) $(TEST_GUESTS)
	@echo "  INITRAMFS   $@"
	@{ cat $<; for p in $(TEST_GUESTS); do echo "file bin/$${p##*/} 0755 $$p"; done; } >$(TEST)/guests.list
	@$(GUESTS)/mkinitramfs $(TEST)/guests.list >$@.raw
	@gzip -1nc $@.raw >$@.new && rm $@.raw && mv $@.new $@

# ---- kernels that only tests boot; what cannot be had makes them skip ----

.PHONY: test-guests
test-guests:
	@scripts/fetch-test-guests || echo "test-guests: left out: their tests are skipped"

# ---- running them ----

.PHONY: test-build test-slow fuzz soak
.SECONDARY: $(TESTED_OBJ) $(THREAD_OBJ) $(FUZZ_OBJ) $(FUZZ_MAIN_OBJ) $(FUZZ_CORE_OBJ)

# Those few that were asked for by name are shown line by line.
RUN_TESTS = tests/run $(if $(ONLY)$(V),-v) $(if $(ONLY),-o $(ONLY))
FUZZERS_OR_SKIPS := $(if $(strip $(FUZZERS)),$(FUZZERS) $(FUZZERS_LEFT_OUT:%=skip:%:libunicorn-dev),\
	$(patsubst tests/fuzz/%.c,skip:%:clang,$(wildcard tests/fuzz/fuzz_*.c)))

test-build: all guests test-guests $(CONFORMANCE_KERNELS) $(KICKED) $(STEPPED) $(MULTIBOOT) $(DELIVERY_GUEST) $(HOSTILE_KERNEL) $(UNIT_TESTS) $(THREAD_TESTS) $(SANITIZED_RING1) $(FUZZERS) $(TEST_TOOLS) $(TEST_PRELOADS) $(TEST)/vmlinux $(TEST_INITRAMFS)

test: test-build
	@$(RUN_TESTS) $(filter-out $(RUN_BY_OTHERS),$(UNIT_TESTS)) $(THREAD_TESTS) $(FUZZERS_OR_SKIPS) $(SYSTEM_TESTS)

# fio comes with what the benchmark fetches.
test-slow: test-build bench-disks-files
	@$(RUN_TESTS) -t 1800 $(SLOW_TESTS)

fuzz: $(FUZZERS)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_SEED=0 $(RUN_TESTS) -t $$(($(FUZZ_SECONDS) + 120)) $(FUZZERS_OR_SKIPS)

# bench-files for tcc; without it the guests' load is busybox's.
soak: test-build bench-files
	@tests/soak/run

# ---- the lists of system calls: which calls of main's and the back ends' are made, and what else is tried ----

.PHONY: calls
calls: test-build
	@$(TEST)/calls_seen --new $(TEST)/calls
	-@ASAN_OPTIONS=verify_asan_link_order=0 CALLS_MADE=$(CURDIR)/$(TEST)/calls LD_PRELOAD=$(CURDIR)/$(TEST)/calls_made.so $(RUN_TESTS) $(SYSTEM_TESTS)
	@$(TEST)/calls_seen $(TEST)/calls

# ---- docs/vmi-conformance.md: from a run of the suite ----

.PHONY: conformance-doc
conformance-doc: all conformance $(KICKED) $(TEST)/kick_each
	-@$(RUN_TESTS) tests/system/test_conformance.sh tests/system/test_conformance_at_every_instruction.sh
	@scripts/conformance-doc $(TEST)/conformance >docs/vmi-conformance.md
