# Weir. `make run` starts it, `make test` proves it; `make help` says the rest.
#
# The C core needs make, a C compiler and libuv, nothing more: packaging/core.mk.
# Everything else is Swift's package manager, called with the right words.

.DEFAULT_GOAL := help

# Where the toolchain's archive is usually unpacked; a Swift in PATH goes first.
export PATH := $(PATH):/opt/swift/usr/bin

include packaging/core.mk packaging/tls.mk

SWIFT ?= swift
STAGES := packaging/stages

.PHONY: help
help:
	@sed -n 's/^#: //p' $(MAKEFILE_LIST)

# --- Running -----------------------------------------------------------------

#: make run [ARGS=...]   build, then `weir serve ARGS` on built-in defaults
#: make release          the program, optimised: .build/release/weir
.PHONY: run release
run: release
	@exec .build/release/weir serve $(ARGS)

# The Swift runtime is linked in: the program runs where there is no Swift.
RELEASE_FLAGS := -c release --static-swift-stdlib
release: setup-run
	$(SWIFT) build $(RELEASE_FLAGS) --product weir

# setup-run, setup-test, ...: installs what is missing, silent when nothing is.
.PHONY: setup-run setup-test setup-lint setup-bench setup-core setup-all
setup-run setup-test setup-lint setup-bench setup-core setup-all: setup-%:
	@packaging/setup $*

# --- Testing -----------------------------------------------------------------

#: make test             every test, 15 minutes at most
#: make core [TEST=x]    the C core and its tests: a C compiler and libuv only
#: make tls [TEST=x]     TLS beside the core, and its tests: OpenSSL as well
#: make swift-test       the tests in Swift
.PHONY: test swift-test
TEST_STAGES = core tls warm-check swift-test peers streams fuzz bench-check
test: setup-test
	@$(STAGES) test $(TEST_STAGES)

swift-test:
	@packaging/swift-test $@ $(TEST_FLAGS)

# Sanitizers: the core under clang's, then the Swift tests with a build
# directory of their own: inside .build, because the package manager takes any
# other place in here for content of the core's target, and loses its way at
# the second build. UBSan traps in the C part of a Swift build, since its
# runtime is not linked there.
#: make asan | tsan      the tests under AddressSanitizer + UBSan, ThreadSanitizer
.PHONY: asan asan-core asan-tls asan-swift tsan tsan-core tsan-swift
asan:
	@$(STAGES) $@ asan-core asan-tls asan-swift
# (gold warns about each symbol of the sanitizer's runtime; lld does not.)
asan-core asan-tls: asan-%:
	@$(MAKE) $* CC=clang SANITIZE=address,undefined \
	  CORE_RUNTIME=-fuse-ld=lld
# WEIR_SANITIZER tells tests that measure memory or time to leave it at that.
asan-core asan-tls asan-swift: export WEIR_SANITIZER = address
tsan-core tsan-swift: export WEIR_SANITIZER = thread
asan-swift: export ASAN_OPTIONS ?= detect_leaks=0
asan-swift:
	@packaging/swift-test $@ --sanitize=address --scratch-path .build/asan \
	  -Xcc -fsanitize=undefined -Xcc -fsanitize-trap=undefined $(TEST_FLAGS)

tsan:
	@$(STAGES) $@ tsan-core tsan-swift
# ThreadSanitizer of Swift's clang knows libdispatch, and wants it linked.
tsan-core:
	@lib=$$(dirname "$$(readlink -f "$$(command -v $(SWIFT))")")/../lib/swift/linux; \
	$(MAKE) core CC=clang SANITIZE=thread CORE_RUNTIME="-fuse-ld=lld \
	  -L$$lib -ldispatch -lBlocksRuntime -Wl,-rpath,$$lib"
tsan-swift: export TSAN_OPTIONS ?= \
	halt_on_error=1:suppressions=$(CURDIR)/packaging/tsan.suppressions
tsan-swift:
	@packaging/swift-test $@ --sanitize=thread --scratch-path .build/tsan \
	  $(TEST_FLAGS)

#: make traits           the build without the optional libraries
.PHONY: traits
traits:
	$(SWIFT) build --disable-default-traits --scratch-path .build/traits \
	  --product weir
	.build/traits/debug/weir version
	@mkdir -p build && echo '{"listen": "127.0.0.1:0"}' >build/traits.json
	.build/traits/debug/weir check build/traits.json

# --- Long runs, by hand ------------------------------------------------------

#: make prove            full counts, long fuzzing, full benchmarks: hours
.PHONY: prove prove-core prove-swift prove-fuzz prove-bench prove-memory \
	prove-ts prove-tls
PROVE_SCALE ?= 100
PROVE_FUZZ_SECONDS ?= 600
PROVE_STAGES = prove-core tls prove-swift peers streams prove-fuzz prove-bench \
	prove-memory prove-ts prove-tls
prove: export WEIR_SCALE = $(PROVE_SCALE)
prove: export WEIR_ALLOW_SKIP ?= 0
# Full counts outlast the time that a hung test is given.
prove: export WEIR_TEST_TIMEOUT = 14400
prove: setup-all release
	@$(STAGES) $@ $(PROVE_STAGES)
prove-core: core
prove-swift: swift-test
prove-fuzz:
	@$(MAKE) fuzz-run SECONDS=$(PROVE_FUZZ_SECONDS)
prove-bench:
	@$(MAKE) bench-fanout BENCH_FULL=1 BENCH_STRICT=1
	@$(MAKE) bench-client BENCH_FULL=1 BENCH_STRICT=1
	@$(MAKE) bench-sign BENCH_FULL=1 BENCH_STRICT=1
	@$(MAKE) bench-store BENCH_FULL=1 BENCH_STRICT=1
	@$(MAKE) bench-store-memory BENCH_STRICT=1
	@$(MAKE) bench-queue BENCH_FULL=1 BENCH_STRICT=1
	@$(MAKE) bench-jobs BENCH_FULL=1 BENCH_STRICT=1
	@$(MAKE) bench-prewarm BENCH_FULL=1 BENCH_STRICT=1
prove-memory:
	@$(MAKE) bench-memory BENCH_FULL=1 BENCH_STRICT=1
prove-tls:
	@$(MAKE) bench-tls BENCH_FULL=1 BENCH_STRICT=1
prove-ts:
	@$(MAKE) bench-ts BENCH_FULL=1 BENCH_STRICT=1

# --- The rest ----------------------------------------------------------------

include packaging/lint.mk packaging/install.mk
include packaging/fuzz.mk packaging/peers.mk packaging/streams.mk
include packaging/warm.mk packaging/bench.mk

#: make bench [BENCH_FULL=1]   cost, latency and memory, beside others
bench: setup-bench release

#: make clean            removes what was built
.PHONY: clean
clean:
	rm -rf build .build
