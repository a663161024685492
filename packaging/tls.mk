# TLS: a library beside the core, of OpenSSL and CSources/tls, and its tests.
#   make tls [CC=clang] [SANITIZE=address,undefined] [TEST=name] [V=1]

TLS_BUILD := $(CORE_BUILD)/tls
TLS_CFLAGS := $(CORE_CFLAGS) -ICSources/tls/include -ICSources/tls \
	$(shell pkg-config --cflags openssl 2>/dev/null)
TLS_LIBS := $(shell pkg-config --libs openssl 2>/dev/null || \
	echo -lssl -lcrypto) $(CORE_LIBS)
TLS_OBJECTS := $(patsubst CSources/tls/%.c,$(TLS_BUILD)/%.o,\
	$(wildcard CSources/tls/*.c))
TLS_TESTS := $(patsubst Tests/TLS/%.c,$(TLS_BUILD)/tests/%,\
	$(wildcard Tests/TLS/$(TEST).c))

$(TLS_BUILD)/%.o: CSources/tls/%.c packaging/tls.mk packaging/core.mk
	@mkdir -p $(@D)
	$(call say,$(CC) $@)$(CC) $(TLS_CFLAGS) -c -o $@ $<

$(TLS_BUILD)/tests/%: Tests/TLS/%.c $(TLS_OBJECTS) $(CORE_LIBRARY)
	@mkdir -p $(@D)
	$(call say,$(CC) $@)$(CC) $(TLS_CFLAGS) -ITests/Core -o $@ $< \
	  $(TLS_OBJECTS) $(CORE_LIBRARY) $(TLS_LIBS)

# Otherwise they would be removed: only patterns name them.
.SECONDARY: $(TLS_OBJECTS)
.PHONY: tls tls-build
tls-build: $(TLS_TESTS)
tls: $(TLS_TESTS)
	@$(call run-tests,tls,$(TLS_TESTS))

-include $(TLS_OBJECTS:.o=.d) $(addsuffix .d,$(TLS_TESTS))
