# make fuzz        every parser of the core under libFuzzer  [FUZZ_SECONDS=20 each]
# make fuzzers     builds them only

FUZZ_SECONDS = 20
FUZZ_CC      = clang
FUZZ_FLAGS   = -std=c11 -D_GNU_SOURCE -O1 -g $(WARN) -Isrc/core -fno-omit-frame-pointer \
               -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
FUZZ_RUN     = -timeout=5 -rss_limit_mb=1024 -max_len=8192 -verbosity=0 -print_final_stats=1

fuzzers = $(patsubst fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard fuzz/*.c))

$(BUILD)/fuzz/%: fuzz/%.c fuzz/fuzz.h $(core) $(wildcard src/core/*.h)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_FLAGS) -o $@ $< $(core)

fuzzers: $(fuzzers)

# what is found goes to build/fuzz/corpus, the seeds stay as they are

fuzz: $(fuzzers)
	@for f in $(fuzzers); do n=$${f##*/}; log=$(BUILD)/fuzz/$$n.log; mkdir -p $(BUILD)/fuzz/corpus/$$n; \
	    printf '%-10s %4s s  ' $$n $(FUZZ_SECONDS); \
	    $$f $(FUZZ_RUN) -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$(BUILD)/fuzz/$$n- \
	        $(BUILD)/fuzz/corpus/$$n fuzz/corpus/$$n >$$log 2>&1 || { tail -40 $$log; exit 1; }; \
	    sed -n 's/^stat::number_of_executed_units: */inputs: /p' $$log; done

.PHONY: fuzz fuzzers
