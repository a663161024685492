# Comparison with other programs' parsers, where they are installed (Debian:
# libhttp-parser-dev, node-llhttp, which ships llhttp's C sources).

# Where they are not, it is skipped; WEIR_ALLOW_SKIP=0 makes that a failure.

#: make peers            the parser of heads beside http-parser and llhttp

PEERS_BUILD := $(CORE_BUILD)/peers
LLHTTP_SOURCES ?= /usr/share/llhttp
LLHTTP_INCLUDE ?= /usr/share/include/llhttp
HTTP_PARSER_HEADER := $(wildcard /usr/include/http_parser.h /usr/local/include/http_parser.h)
LLHTTP_OBJECTS := $(patsubst $(LLHTTP_SOURCES)/%.c,$(PEERS_BUILD)/llhttp/%.o,$(wildcard $(LLHTTP_SOURCES)/*.c))
PEERS_OBJECTS := $(patsubst Tests/Peers/%.c,$(PEERS_BUILD)/%.o,$(wildcard Tests/Peers/*.c))

$(PEERS_BUILD)/llhttp/%.o: $(LLHTTP_SOURCES)/%.c
	@mkdir -p $(@D)
	$(CC) -O1 -w -I$(LLHTTP_INCLUDE) -c -o $@ $<
$(PEERS_BUILD)/%.o: Tests/Peers/%.c
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) -isystem $(LLHTTP_INCLUDE) -c -o $@ $<
$(PEERS_BUILD)/http_head: $(PEERS_OBJECTS) $(LLHTTP_OBJECTS) $(CORE_BUILD)/libweir-core.a
	$(CC) $(CORE_CFLAGS) -o $@ $^ -lhttp_parser $(CORE_LIBS)

.PHONY: peers
ifneq ($(and $(HTTP_PARSER_HEADER),$(LLHTTP_OBJECTS)),)
peers: $(PEERS_BUILD)/http_head
	$(PEERS_BUILD)/http_head Tests/Peers/http_requests.txt
else
peers:
	@echo "peers: not installed: libhttp-parser-dev node-llhttp"
	@if [ "$$WEIR_ALLOW_SKIP" = 0 ]; then \
	  echo "peers: 0 passed, 1 failed"; exit 1; \
	else \
	  echo "peers: 0 passed, 0 failed, 1 skipped"; \
	fi
endif

-include $(PEERS_OBJECTS:.o=.d)
