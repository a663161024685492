# The C core alone: a C compiler and libuv.
#   make core [CC=clang] [SANITIZE=address,undefined]

CC ?= cc
SANITIZE ?=
comma := ,
CORE_BUILD := build/core$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))
CORE_WARNINGS := -Wall -Wextra -Wconversion -Werror
CORE_CFLAGS := -std=c11 -D_GNU_SOURCE -O2 -g -fvisibility=hidden -MMD -MP $(CORE_WARNINGS) \
	-Iinclude -ICSources $(shell pkg-config --cflags libuv 2>/dev/null) \
	$(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
CORE_LIBS := $(shell pkg-config --libs libuv 2>/dev/null || echo -luv) -lm -lpthread
CORE_OBJECTS := $(patsubst CSources/%.c,$(CORE_BUILD)/%.o,$(wildcard CSources/*.c))
CORE_TESTS := $(patsubst Tests/Core/%.c,$(CORE_BUILD)/tests/%,$(wildcard Tests/Core/*.c))

$(CORE_BUILD)/%.o: CSources/%.c
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) -c -o $@ $<

$(CORE_BUILD)/libweir-core.a: $(CORE_OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

$(CORE_BUILD)/tests/%: Tests/Core/%.c $(CORE_BUILD)/libweir-core.a
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) -o $@ $< $(CORE_BUILD)/libweir-core.a $(CORE_LIBS)

# Runs every test of the core; the last line says how many passed.
.PHONY: core core-library
core-library: $(CORE_BUILD)/libweir-core.a
core: $(CORE_TESTS)
	@passed=0; failed=0; for t in $(CORE_TESTS); do \
	  if timeout 300 $$t; then passed=$$((passed+1)); else echo "FAILED $$t"; failed=$$((failed+1)); fi; \
	done; echo "core: $$passed passed, $$failed failed"; test $$failed -eq 0

-include $(CORE_OBJECTS:.o=.d) $(addsuffix .d,$(CORE_TESTS))
