# The measurements: C programs and their driver (Python 3, nothing else).
#   make bench [BENCH_FULL=1] [BENCH_FLAGS="--only windows --pin"]
# The short form takes minutes and shows that everything works; the full form
# takes the better part of an hour on a quiet machine, and is what counts.
# BENCH_STRICT=1 fails unless every target was measured and met.

CC ?= cc
PYTHON ?= python3
WEIR ?= $(wildcard .build/release/weir)
BENCH_BUILD := build/bench
BENCH_CFLAGS := -std=c11 -D_GNU_SOURCE -O2 -g -MMD -MP \
	-Wall -Wextra -Wconversion -Werror
BENCH_PROGRAMS := $(addprefix $(BENCH_BUILD)/,generator bare listeners)
BENCH_MODE := $(if $(BENCH_FULL),--full) $(if $(BENCH_STRICT),--strict)
BENCH_WEIR := $(if $(WEIR),--weir $(WEIR))

$(BENCH_BUILD)/%.o: bench/fanout/%.c
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -c -o $@ $<

bench_program = $(CC) $(BENCH_CFLAGS) -o $@ $^
$(BENCH_BUILD)/generator: $(BENCH_BUILD)/generator.o
	$(bench_program)
$(BENCH_BUILD)/bare: $(BENCH_BUILD)/bare.o
	$(bench_program)
$(BENCH_BUILD)/listeners: $(addprefix $(BENCH_BUILD)/,listeners.o connection.o \
		options.o report.o response.o stamps.o verify.o)
	$(bench_program)
$(BENCH_BUILD)/selftest: $(addprefix $(BENCH_BUILD)/,selftest.o stamps.o \
		verify.o response.o)
	$(bench_program)

# `bench-check` proves the measuring programs themselves; it takes a second.
.PHONY: bench bench-programs bench-check bench-fanout bench-memory
bench-programs: $(BENCH_PROGRAMS)
bench-check: $(BENCH_BUILD)/selftest
	$<
	$(PYTHON) bench/fanout/selftest.py
bench-fanout: bench-programs bench-check
	$(PYTHON) bench/fanout/run.py --programs $(BENCH_BUILD) $(BENCH_WEIR) \
	  $(BENCH_MODE) $(BENCH_FLAGS)
bench-memory: bench-programs bench-check
	$(PYTHON) bench/fanout/memory.py --programs $(BENCH_BUILD) $(BENCH_WEIR) \
	  $(BENCH_MODE) $(BENCH_MEMORY_FLAGS)
# One after the other, and after whatever else `bench` was told to wait for.
bench:
	@$(MAKE) --no-print-directory bench-fanout
	@$(MAKE) --no-print-directory bench-memory

-include $(wildcard $(BENCH_BUILD)/*.d)
