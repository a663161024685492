# The scanner of transport streams beside FFmpeg: streams that it makes, kept in
# build/streams, against a reference of our own and against ffprobe.

#: make streams          the scanner on FFmpeg's streams, beside ffprobe

STREAMS_BUILD := $(CORE_BUILD)/streams
STREAMS_FILES := build/streams

$(STREAMS_BUILD)/truth: Tests/Streams/truth.c Tests/Core/test.h \
		Tests/Core/scale.h $(CORE_LIBRARY)
	@mkdir -p $(@D)
	$(call say,$(CC) $@)$(CC) $(CORE_CFLAGS) -o $@ $< $(CORE_LIBRARY) $(CORE_LIBS)

.PHONY: streams
ifneq ($(and $(shell command -v ffmpeg),$(shell command -v ffprobe)),)
streams: $(STREAMS_BUILD)/truth
	@Tests/Streams/make-streams $(STREAMS_FILES)
	@passed=0; failed=0; for notes in $(STREAMS_FILES)/*.txt; do \
	  if $< $${notes%.txt}.ts $$notes; then \
	    passed=$$((passed + 1)); \
	  else \
	    echo "FAILED $$notes"; failed=$$((failed + 1)); \
	  fi; \
	done; \
	echo "streams: $$passed passed, $$failed failed"; \
	test $$passed -gt 0 && test $$failed -eq 0
else
streams:
	@echo "streams: not installed: ffmpeg"
	@if [ "$$WEIR_ALLOW_SKIP" = 0 ]; then \
	  echo "streams: 0 passed, 1 failed"; exit 1; \
	else \
	  echo "streams: 0 passed, 0 failed, 1 skipped"; \
	fi
endif
