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
BENCH_PROGRAMS := $(addprefix $(BENCH_BUILD)/,generator bare listeners scanners \
	tls-listeners)
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

# The scanner's: linked with the core, and with libavformat where there is one.
BENCH_FFMPEG := $(shell pkg-config --exists libavformat libavcodec libavutil \
	2>/dev/null && echo yes)
BENCH_TS_CFLAGS := $(BENCH_CFLAGS) -Iinclude $(if $(BENCH_FFMPEG),\
	-DTS_BENCH_FFMPEG $(shell pkg-config --cflags libavformat 2>/dev/null))
BENCH_TS_LIBS := $(if $(BENCH_FFMPEG),$(shell pkg-config --libs libavformat \
	libavcodec libavutil 2>/dev/null))
$(BENCH_BUILD)/ts/%.o: bench/ts/%.c
	@mkdir -p $(@D)
	$(CC) $(BENCH_TS_CFLAGS) -c -o $@ $<
$(BENCH_BUILD)/scanners: $(addprefix $(BENCH_BUILD)/ts/,main.o contenders.o \
		data.o ffmpeg.o) $(CORE_LIBRARY)
	$(CC) $(BENCH_CFLAGS) -o $@ $^ $(CORE_LIBS) $(BENCH_TS_LIBS)
# The queues': linked with the core, and with the queues of others by C++.
CXX ?= c++
BENCH_QUEUE_CFLAGS := $(BENCH_CFLAGS) -Iinclude
BENCH_QUEUE_CXXFLAGS := $(patsubst -std=%,-std=c++17,$(BENCH_CFLAGS))
$(BENCH_BUILD)/queue/%.o: bench/queue/%.c
	@mkdir -p $(@D)
	$(CC) $(BENCH_QUEUE_CFLAGS) -c -o $@ $<
$(BENCH_BUILD)/queue/%.o: bench/queue/%.cc
	@mkdir -p $(@D)
	$(CXX) $(BENCH_QUEUE_CXXFLAGS) -c -o $@ $<
$(BENCH_BUILD)/queues: $(addprefix $(BENCH_BUILD)/queue/,main.o queues.o \
		delivery.o others.o) $(CORE_LIBRARY)
	$(CXX) -o $@ $^ $(CORE_LIBS)
$(BENCH_BUILD)/tls-listeners: bench/tls/listeners.c
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) $(shell pkg-config --cflags openssl 2>/dev/null) \
	  -o $@ $< $(shell pkg-config --libs openssl 2>/dev/null || \
	  echo -lssl -lcrypto)
$(BENCH_BUILD)/selftest: $(addprefix $(BENCH_BUILD)/,selftest.o stamps.o \
		verify.o response.o)
	$(bench_program)

# The floor of the client pools; libcurl is what it measures.
$(BENCH_BUILD)/client: bench/client/bare.c
	@mkdir -p $(@D)
	$(CC) $(filter-out -MMD -MP,$(BENCH_CFLAGS)) -o $@ $< -lcurl

# What signatures cost with OpenSSL alone.
$(BENCH_BUILD)/sign-floor: bench/sign/floor.c
	@mkdir -p $(@D)
	$(CC) $(filter-out -MMD -MP,$(BENCH_CFLAGS)) -o $@ $< -lcrypto

$(BENCH_BUILD)/sign-curl: bench/sign/curl.c
	@mkdir -p $(@D)
	$(CC) $(filter-out -MMD -MP,$(BENCH_CFLAGS)) -o $@ $< -lcurl

# Its peers from PyPI, in a place of their own; without them they are skipped.
BENCH_PEERS := $(BENCH_BUILD)/peers
$(BENCH_PEERS)/ready: bench/sign/requirements.txt
	@mkdir -p $(@D)
	$(PYTHON) -m venv $(BENCH_PEERS) && \
	  $(BENCH_PEERS)/bin/pip install -q --disable-pip-version-check -r $< && \
	  touch $@ || echo "bench-sign: no peers from PyPI" >&2
BENCH_SIGN_PYTHON = $(if $(wildcard $(BENCH_PEERS)/ready),\
	$(BENCH_PEERS)/bin/python,$(PYTHON))

# `bench-check` proves the measuring programs themselves; it takes a second.
.PHONY: bench bench-programs bench-check bench-fanout bench-memory bench-ts
.PHONY: bench-ts-join bench-ts-memory bench-tls
.PHONY: bench-client bench-sign bench-store bench-store-memory bench-queue
.PHONY: bench-downloads
bench-programs: $(BENCH_PROGRAMS)
bench-check: $(BENCH_BUILD)/selftest $(BENCH_BUILD)/scanners \
		$(BENCH_BUILD)/queues
	$<
	$(PYTHON) bench/fanout/selftest.py
	$(PYTHON) bench/ts/selftest.py $(BENCH_BUILD)/scanners
	$(PYTHON) bench/queue/selftest.py $(BENCH_BUILD)/queues
bench-fanout: bench-programs bench-check
	$(PYTHON) bench/fanout/run.py --programs $(BENCH_BUILD) $(BENCH_WEIR) \
	  $(BENCH_MODE) $(BENCH_FLAGS)
bench-memory: bench-programs bench-check
	$(PYTHON) bench/fanout/memory.py --programs $(BENCH_BUILD) $(BENCH_WEIR) \
	  $(BENCH_MODE) $(BENCH_MEMORY_FLAGS)
bench-ts: bench-programs bench-check
	$(PYTHON) bench/ts/run.py --program $(BENCH_BUILD)/scanners \
	  $(BENCH_WEIR) $(BENCH_MODE) $(BENCH_TS_FLAGS)
# Joins of a transport stream: how soon there is a picture, and what many warm
# stations cost in memory.
bench-ts-join: bench-programs warm-programs
	$(PYTHON) bench/ts-join/run.py --programs $(BENCH_BUILD) \
	  --warm-programs $(WARM_BUILD) $(BENCH_WEIR) $(BENCH_MODE) \
	  $(BENCH_TS_JOIN_FLAGS)
bench-ts-memory: bench-programs warm-programs
	$(PYTHON) bench/ts-join/memory.py --programs $(BENCH_BUILD) \
	  --warm-programs $(WARM_BUILD) $(BENCH_WEIR) $(BENCH_MODE)
bench-client: $(BENCH_BUILD)/client
	$(PYTHON) bench/client/run.py --programs $(BENCH_BUILD) $(BENCH_WEIR) \
	  $(BENCH_MODE) $(BENCH_CLIENT_FLAGS)
bench-sign: $(BENCH_BUILD)/sign-floor $(BENCH_BUILD)/sign-curl \
		$(if $(BENCH_FULL),$(BENCH_PEERS)/ready)
	$(BENCH_SIGN_PYTHON) bench/sign/run.py --programs $(BENCH_BUILD) \
	  $(BENCH_WEIR) $(BENCH_MODE) $(BENCH_SIGN_FLAGS)
# The store beside its pool, a batch, and a pool of its own beside a shared one.
bench-store:
	$(PYTHON) bench/store/run.py $(BENCH_WEIR) $(BENCH_MODE) \
	  $(BENCH_STORE_FLAGS)
bench-queue: $(BENCH_BUILD)/queues
	$(PYTHON) bench/queue/run.py --program $< $(BENCH_WEIR) $(BENCH_MODE) \
	  $(BENCH_QUEUE_FLAGS)
# Downloads that are kept, beside nginx.
bench-downloads:
	$(PYTHON) bench/downloads/run.py $(BENCH_WEIR) $(BENCH_MODE)
# What `weir object` takes of memory, with a real S3 server.
bench-store-memory:
	$(PYTHON) bench/store/memory.py $(BENCH_WEIR) \
	  $(if $(BENCH_STRICT),--strict)
bench-tls: bench-programs
	$(PYTHON) bench/tls/run.py --program $(BENCH_BUILD)/tls-listeners \
	  $(BENCH_WEIR) $(BENCH_MODE) $(BENCH_TLS_FLAGS)
# One after the other, and after whatever else `bench` was told to wait for.
bench:
	@$(MAKE) --no-print-directory bench-fanout
	@$(MAKE) --no-print-directory bench-memory
	@$(MAKE) --no-print-directory bench-ts
	@$(MAKE) --no-print-directory bench-ts-join
	@$(MAKE) --no-print-directory bench-ts-memory
	@$(MAKE) --no-print-directory bench-client
	@$(MAKE) --no-print-directory bench-sign
	@$(MAKE) --no-print-directory bench-store
	@$(MAKE) --no-print-directory bench-store-memory
	@$(MAKE) --no-print-directory bench-downloads
	@$(MAKE) --no-print-directory bench-tls
	@$(MAKE) --no-print-directory bench-queue

-include $(wildcard $(BENCH_BUILD)/*.d $(BENCH_BUILD)/ts/*.d \
	$(BENCH_BUILD)/queue/*.d)
