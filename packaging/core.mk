# The C core alone: a C compiler and libuv. No pkg-config, no Swift.
#   make core [CC=clang] [SANITIZE=address,undefined] [TEST=name] [V=1]

SANITIZE ?=
# What else a sanitizer's runtime wants to be linked with.
CORE_RUNTIME ?=
TEST ?= *
comma := ,
# What a rule does, in a few words; V=1 shows the whole command.
say = $(if $(V),,@echo "$(1)"; )
# One directory for each compiler and sanitizer: objects never mix.
CORE_BUILD := build/core$(if $(filter-out cc gcc,$(CC)),-$(notdir $(firstword \
	$(CC))))$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))
CORE_WARNINGS := -Wall -Wextra -Wconversion -Werror
CORE_CFLAGS := -std=c11 -D_GNU_SOURCE -O2 -g -fPIC -fvisibility=hidden \
	-MMD -MP $(CORE_WARNINGS) -Iinclude -ICSources \
	$(shell pkg-config --cflags libuv 2>/dev/null) \
	$(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all \
	-fno-omit-frame-pointer)
CORE_LIBS := $(shell pkg-config --libs libuv 2>/dev/null || echo -luv) \
	-lm -lpthread $(CORE_RUNTIME)
CORE_OBJECTS := $(patsubst CSources/%.c,$(CORE_BUILD)/%.o,\
	$(wildcard CSources/*.c))
CORE_LIBRARY := $(CORE_BUILD)/libweir-core.a
CORE_TESTS := $(patsubst Tests/Core/%.c,$(CORE_BUILD)/tests/%,\
	$(wildcard Tests/Core/$(TEST).c))

$(CORE_BUILD)/%.o: CSources/%.c packaging/core.mk
	@mkdir -p $(@D)
	$(call say,$(CC) $@)$(CC) $(CORE_CFLAGS) -c -o $@ $<

$(CORE_LIBRARY): $(CORE_OBJECTS)
	@rm -f $@
	$(call say,$(AR) $@)$(AR) rcs $@ $^

$(CORE_BUILD)/tests/%: Tests/Core/%.c $(CORE_LIBRARY)
	@mkdir -p $(@D)
	$(call say,$(CC) $@)$(CC) $(CORE_CFLAGS) -o $@ $< $(CORE_LIBRARY) $(CORE_LIBS)

# Runs test programs; the last line says how many passed. One that hangs is
# ended after a quarter of an hour: one that does not may need some minutes on a
# busy machine. $(call run-tests,NAME,PROGRAMS)
define run-tests
passed=0; failed=0; for test in $(2); do \
  if timeout $${WEIR_TEST_TIMEOUT:-900} $$test; then \
    passed=$$((passed + 1)); \
  else \
    echo "FAILED $$test (exit code $$?)"; failed=$$((failed + 1)); \
  fi; \
done; \
echo "$(1): $$passed passed, $$failed failed"; \
test $$passed -gt 0 && test $$failed -eq 0
endef

.PHONY: core core-library core-build
core-library: $(CORE_LIBRARY)
core-build: $(CORE_TESTS)
core: $(CORE_TESTS)
	@$(call run-tests,core,$(CORE_TESTS))

-include $(CORE_OBJECTS:.o=.d) $(addsuffix .d,$(CORE_TESTS))
