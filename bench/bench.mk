# what bench/run.pl runs besides the module

$(BUILD)/bench/lookup: $(BUILD)/obj/bench/lookup.o $(call obj,$(core))
	@mkdir -p $(@D)
	$(CC) $(OPT) $(LDHARD) -o $@ $^

bench: $(BUILD)/bench/lookup $(BUILD)/bench/loopwatch.so

# preloaded into nginx: turns of the event loop that take long

$(BUILD)/bench/loopwatch.so: bench/loopwatch.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE $(OPT) $(WARN) -fPIC -shared -o $@ $< -ldl

# what forecasting a large fleet costs; t/43_fleet.t looks whether it works

units: $(BUILD)/bench/forecast_fleet

$(BUILD)/bench/forecast_fleet: $(BUILD)/obj/bench/forecast_fleet.o $(call obj,$(core) $(daemon) $(expose) $(predictor_pure))
	@mkdir -p $(@D)
	$(CC) $(OPT) $(LDHARD) -o $@ $^ $(LIBS_predictor)

# what borrowing is worth to shards without a history, see docs/forecast.md

$(BUILD)/bench/coldstart: $(BUILD)/obj/bench/coldstart.o $(call obj,$(core) $(daemon) $(expose) $(predictor_pure))
	@mkdir -p $(@D)
	$(CC) $(OPT) $(LDHARD) -o $@ $^ $(LIBS_predictor)

# make bench-forecast   how good forecasts are, and what they cost  [TRACES=folder] [BENCH_MINUTES=15]

bench-forecast: $(BUILD)/shard-predictor $(BUILD)/bench/forecast_fleet
	perl bench/forecast.pl

.PHONY: bench-forecast

# make bench-plan       what planning ahead is worth  [TRACES=folder] [FLEET=file.csv]

bench-plan: $(BUILD)/shard-predictor
	perl bench/plan.pl

.PHONY: bench-plan

# a fault in each phase of a migration; bench/chaos.pl says how to choose

chaos: all
	perl -It/lib bench/chaos.pl

.PHONY: chaos
