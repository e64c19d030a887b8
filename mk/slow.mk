# `make GOAL SLOW=1`: GOAL without the fast paths of include/ring1/fast.h, whose slow paths are their specification;
# SLOW="ROM_IRET WINDOWS" leaves out those by name. What stands at build/ otherwise is then below build/slow/build (or
# build/slow-ROM_IRET-WINDOWS/build): everything else there is links to the sources. Guests and kernels are shared.

empty :=
space := $(empty) $(empty)
SLOW_TREE := build/slow$(if $(filter-out 1,$(SLOW)),-$(subst $(space),-,$(strip $(SLOW))))
SLOW_SET := $(if $(filter 1,$(SLOW)),~0u,$(subst $(space),|,$(patsubst %,1u<<FAST_%,$(SLOW))))
SLOW_GOALS := $(or $(MAKECMDGOALS),all)

# Tests: how many times as long anything may take (tests/system/lib.sh).
export RING1_PATIENCE ?= 20

.PHONY: $(SLOW_GOALS) slow-tree
$(SLOW_GOALS): slow-tree
	@$(MAKE) --no-print-directory -C $(SLOW_TREE) IN_SLOW_TREE=1 "SLOW_FLAGS=-DRING1_SLOW='($(SLOW_SET))'" $@

slow-tree:
	@mkdir -p $(SLOW_TREE)/build/test build/guests build/test
	@find $(SLOW_TREE) -maxdepth 1 -type l -delete
	@for entry in *; do [ "$$entry" = build ] || ln -s "../../$$entry" $(SLOW_TREE)/; done
	@ln -sfn ../../guests $(SLOW_TREE)/build/guests
	@for entry in build/test/debian-* build/test/index-*; do \
		[ ! -e "$$entry" ] || ln -sfn "../../../../$$entry" "$(SLOW_TREE)/$$entry"; \
	done
