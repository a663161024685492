# Lint: what can be checked without running Weir.

LINTS := lint-c lint-swift lint-headers lint-warnings lint-symbols \
	lint-modules lint-size lint-docs lint-links \
	lint-tasks

#: make lint             style, warnings, layering, sizes, symbols
#: make format           puts C and Swift into the style that lint wants
.PHONY: lint format $(LINTS)
lint: setup-lint
	@$(STAGES) $@ $(LINTS)

C_FILES = $(shell find include CSources Sources/CWeirHTTP Sources/CWeirStorage \
	Sources/CWeirDownloads Tests bench packaging \
	\( -name '*.c' -o -name '*.h' \) 2>/dev/null)
SWIFT_PLACES = Package.swift Sources $(wildcard Tests bench)
CLANG_FORMAT ?= clang-format

format:
	$(CLANG_FORMAT) -i --style=file $(C_FILES)
	$(SWIFT) format --in-place --recursive $(SWIFT_PLACES)

# The style is that of .clang-format, in the words of clang-format 14.
lint-c:
	@$(CLANG_FORMAT) --dry-run --Werror --style=file $(C_FILES)

lint-swift:
	@$(SWIFT) format lint --strict --recursive $(SWIFT_PLACES)

# Every public header stands alone, in C and in C++, for both compilers.
lint-headers:
	@packaging/lint-headers

# The core and its tests compile without a warning with both compilers. Swift's
# warnings are errors in Package.swift.
lint-warnings:
	@$(MAKE) core-build tls-build CC=gcc
	@$(MAKE) core-build tls-build CC=clang CORE_RUNTIME=-fuse-ld=lld

# What the library exports, what it must not call, no variables of its own.
lint-symbols: core-library release
	@packaging/lint-symbols $(CORE_LIBRARY) \
	  .build/release/CWeir.build/CSources/*.o

# Imports follow the layers; no Foundation.
lint-modules:
	@packaging/lint-modules

# Files of a size that can be read; a core that stays small.
lint-size:
	@packaging/lint-size

# Links between documents lead somewhere.
lint-docs:
	@packaging/lint-docs

# What the program needs at run time.
lint-links: release
	@packaging/lint-links .build/release/weir

# Tasks that would leave the loop.
lint-tasks:
	@packaging/lint-tasks
