# Fuzzing the C core, and the reader of pictures. Every Tests/Fuzz/*.c but
# replay.c is a target, and Tests/Fuzz/corpus/TARGET/ holds the inputs that are
# kept for it. (Those of `image` began with Tests/Downloads/pictures.py.)

#: make fuzz             replays the inputs that are kept, under ASan and UBSan
#: make fuzz-run [SECONDS=600] [TARGET=x]   looks for more, with libFuzzer
#: make fuzz-merge [TARGET=x]   keeps of those found what covers more

SECONDS ?= 60
TARGET ?=
# The toolchain that brings Swift brings a clang that has libFuzzer.
FUZZ_CLANG ?= $(firstword $(shell command -v clang) \
	$(wildcard $(dir $(realpath $(shell command -v swift)))clang) clang)
FUZZ_LENGTH ?= 20000
FUZZ_SANITIZE := address,undefined
FUZZ_TARGETS := $(filter-out replay,$(patsubst Tests/Fuzz/%.c,%,$(wildcard Tests/Fuzz/*.c)))
FUZZ_CHOSEN := $(or $(TARGET),$(FUZZ_TARGETS))
FUZZ_REPLAY := build/fuzz-replay-$(notdir $(CC))
FUZZ_RUN := build/fuzz-run
FUZZ_FOUND := build/fuzz-found
FUZZ_PICTURES := Sources/CWeirDownloads
FUZZ_FLAGS := $(filter-out -fsanitize=% -fno-sanitize-recover=%,$(CORE_CFLAGS)) \
	-fno-sanitize-recover=all -fno-omit-frame-pointer -I$(FUZZ_PICTURES)/include
FUZZ_OBJECTS := $(patsubst CSources/%.c,%.o,$(wildcard CSources/*.c)) \
	$(patsubst $(FUZZ_PICTURES)/%.c,%.o,$(wildcard $(FUZZ_PICTURES)/image*.c)) crc32.o
FUZZ_LIBS := $(CORE_LIBS) -ldeflate

# An archive, so that a target links only what it reaches.
$(FUZZ_REPLAY)/core/%.o: CSources/%.c
	@mkdir -p $(@D)
	$(CC) $(FUZZ_FLAGS) -fsanitize=$(FUZZ_SANITIZE) -c -o $@ $<
$(FUZZ_REPLAY)/core/%.o: $(FUZZ_PICTURES)/%.c
	@mkdir -p $(@D)
	$(CC) $(FUZZ_FLAGS) -fsanitize=$(FUZZ_SANITIZE) -c -o $@ $<
$(FUZZ_REPLAY)/core.a: $(addprefix $(FUZZ_REPLAY)/core/,$(FUZZ_OBJECTS))
	@rm -f $@
	$(AR) rcs $@ $^
$(FUZZ_REPLAY)/%: Tests/Fuzz/%.c Tests/Fuzz/replay.c $(FUZZ_REPLAY)/core.a
	$(CC) $(FUZZ_FLAGS) -fsanitize=$(FUZZ_SANITIZE) -o $@ $^ $(FUZZ_LIBS)

$(FUZZ_RUN)/core/%.o: CSources/%.c
	@mkdir -p $(@D)
	$(FUZZ_CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,$(FUZZ_SANITIZE) -c -o $@ $<
$(FUZZ_RUN)/core/%.o: $(FUZZ_PICTURES)/%.c
	@mkdir -p $(@D)
	$(FUZZ_CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,$(FUZZ_SANITIZE) -c -o $@ $<
$(FUZZ_RUN)/core.a: $(addprefix $(FUZZ_RUN)/core/,$(FUZZ_OBJECTS))
	@rm -f $@
	$(AR) rcs $@ $^
$(FUZZ_RUN)/%: Tests/Fuzz/%.c $(FUZZ_RUN)/core.a
	$(FUZZ_CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer,$(FUZZ_SANITIZE) -o $@ $^ $(FUZZ_LIBS)

.PHONY: fuzz fuzz-run fuzz-merge
fuzz: $(addprefix $(FUZZ_REPLAY)/,$(FUZZ_TARGETS))
	@passed=0; failed=0; for t in $(FUZZ_TARGETS); do \
	  corpus=Tests/Fuzz/corpus/$$t; \
	  if $(FUZZ_REPLAY)/$$t $$corpus; then passed=$$((passed+1)); continue; fi; \
	  failed=$$((failed+1)); for f in $$corpus/*; do \
	    $(FUZZ_REPLAY)/$$t $$f >/dev/null 2>&1 || echo "FAILED $$t $$f"; done; \
	done; echo "fuzz: $$passed passed, $$failed failed"; test $$failed -eq 0

# What is found goes to build/fuzz-found, a crash beside it.
fuzz-run: $(addprefix $(FUZZ_RUN)/,$(FUZZ_CHOSEN))
	@set -e; for t in $(FUZZ_CHOSEN); do \
	  mkdir -p $(FUZZ_FOUND)/$$t Tests/Fuzz/corpus/$$t; echo "== $$t, $(SECONDS) s"; \
	  $(FUZZ_RUN)/$$t -max_total_time=$(SECONDS) -max_len=$(FUZZ_LENGTH) -print_final_stats=1 \
	    $$(test ! -f Tests/Fuzz/$$t.dict || echo -dict=Tests/Fuzz/$$t.dict) \
	    -artifact_prefix=$(FUZZ_FOUND)/$$t- $(FUZZ_FOUND)/$$t Tests/Fuzz/corpus/$$t; \
	done

# Adds the fewest of those found that reach code which what is kept does not;
# how often it is reached is left out, to keep the corpus small.
fuzz-merge: $(addprefix $(FUZZ_RUN)/,$(FUZZ_CHOSEN))
	@set -e; for t in $(FUZZ_CHOSEN); do \
	  mkdir -p $(FUZZ_FOUND)/$$t Tests/Fuzz/corpus/$$t; \
	  $(FUZZ_RUN)/$$t -set_cover_merge=1 -use_counters=0 -max_len=$(FUZZ_LENGTH) \
	    Tests/Fuzz/corpus/$$t $(FUZZ_FOUND)/$$t; \
	done

-include $(patsubst %.o,$(FUZZ_REPLAY)/core/%.d,$(FUZZ_OBJECTS)) \
	$(patsubst %.o,$(FUZZ_RUN)/core/%.d,$(FUZZ_OBJECTS))
