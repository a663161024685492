# The programs that the tests of warm transport streams use: a source of
# numbered packets, an audience that checks every byte, a bad network, a bad
# disk. The tests in Swift build them when they need them; so does the bench.

#: make warm-check       the programs that prove warm streams, proved themselves

WARM_BUILD := build/warm
WARM_CFLAGS := -std=c11 -D_GNU_SOURCE -O2 -g -MMD -MP \
	-Wall -Wextra -Wconversion -Werror
WARM_PROGRAMS := $(addprefix $(WARM_BUILD)/,source audience relay disk.so)

$(WARM_BUILD)/%.o: Tests/Warm/%.c
	@mkdir -p $(@D)
	$(CC) $(WARM_CFLAGS) -c -o $@ $<

warm_program = $(CC) $(WARM_CFLAGS) -o $@ $^
$(WARM_BUILD)/source: $(WARM_BUILD)/source.o
	$(warm_program)
$(WARM_BUILD)/audience: $(addprefix $(WARM_BUILD)/,audience.o member.o body.o)
	$(warm_program)
$(WARM_BUILD)/relay: $(WARM_BUILD)/relay.o
	$(warm_program)
$(WARM_BUILD)/selftest: $(addprefix $(WARM_BUILD)/,selftest.o body.o)
	$(warm_program)
$(WARM_BUILD)/disk.so: Tests/Warm/disk.c
	@mkdir -p $(@D)
	$(CC) $(WARM_CFLAGS) -fPIC -shared -o $@ $< -ldl

.PHONY: warm-programs warm-check
warm-programs: $(WARM_PROGRAMS)
warm-check: warm-programs $(WARM_BUILD)/selftest
	$(WARM_BUILD)/source --burst 6e6 --seconds 0.01 | $(WARM_BUILD)/selftest

-include $(wildcard $(WARM_BUILD)/*.d)
