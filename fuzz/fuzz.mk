# make fuzz        every parser of the core under libFuzzer  [FUZZ_SECONDS=20 each; -j2: two at a time]
# make fuzz-NAME   one of them
# make fuzzers     builds them only

FUZZ_SECONDS = 20
FUZZ_CC      = clang
FUZZ_FLAGS   = -std=c11 -D_GNU_SOURCE -O1 -g $(WARN) -Isrc/core -fno-omit-frame-pointer \
               -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
FUZZ_RUN     = -timeout=5 -rss_limit_mb=1024 -max_len=8192 -verbosity=0 -print_final_stats=1

fuzzers   = $(patsubst fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard fuzz/*.c))
fuzz_core = $(patsubst src/core/%.c,$(BUILD)/fuzz/core/%.o,$(core))

# what a target needs besides the core

fuzz_more_prometheus = predictor/prometheus_text.c predictor/exporter.c

$(BUILD)/fuzz/prometheus: $(fuzz_more_prometheus) predictor/prometheus_text.h predictor/exporter.h

fuzz_more_series_csv = predictor/series_csv.c predictor/series_csv_field.c

$(BUILD)/fuzz/series_csv: $(fuzz_more_series_csv) predictor/series_csv.h predictor/series_csv_parts.h

fuzz_more_errors = predictor/errors.c predictor/errors_code.c predictor/merit.c predictor/normal.c predictor/horizon.c

$(BUILD)/fuzz/errors: $(fuzz_more_errors) predictor/errors.h predictor/merit.h

fuzz_more_ical = $(wildcard src/daemon/shardd_ical*.c)
fuzz_libs_ical = -ljansson -lical

$(BUILD)/fuzz/ical: $(fuzz_more_ical) src/daemon/shardd_ical.h src/daemon/shardd_ical_parts.h

fuzz_more_calendar = $(wildcard predictor/calendar*.c) predictor/effect.c predictor/normal.c predictor/quantile.c predictor/number.c
fuzz_libs_calendar = -ljansson

$(BUILD)/fuzz/calendar: $(fuzz_more_calendar) predictor/calendar.h predictor/effect.h

fuzz_more_policy = predictor/resize_policy.c

$(BUILD)/fuzz/policy: $(fuzz_more_policy) predictor/resize_policy.h

# the core once, for all of them

$(BUILD)/fuzz/core/%.o: src/core/%.c $(wildcard src/core/*.h)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_FLAGS) -c -o $@ $<

$(BUILD)/fuzz/%: fuzz/%.c fuzz/fuzz.h $(fuzz_core)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_FLAGS) -o $@ $< $(fuzz_more_$*) $(fuzz_core) $(fuzz_libs_$*) -lm

fuzzers: $(fuzzers)

.SECONDARY: $(fuzz_core) $(fuzzers)

# what is found goes to build/fuzz/corpus, the seeds stay as they are

fuzz: $(patsubst $(BUILD)/fuzz/%,fuzz-%,$(fuzzers))

fuzz-%: $(BUILD)/fuzz/%
	@mkdir -p $(BUILD)/fuzz/corpus/$*
	@log=$(BUILD)/fuzz/$*.log; \
	$< $(FUZZ_RUN) -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$(BUILD)/fuzz/$*- \
	    $(BUILD)/fuzz/corpus/$* fuzz/corpus/$* >$$log 2>&1 || { tail -40 $$log; exit 1; }; \
	sed -n 's/^stat::number_of_executed_units: */$*: $(FUZZ_SECONDS) s, inputs: /p' $$log

.PHONY: fuzz fuzzers
