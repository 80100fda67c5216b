# what bench/run.pl runs besides the module

$(BUILD)/bench/lookup: $(BUILD)/obj/bench/lookup.o $(call obj,$(core))
	@mkdir -p $(@D)
	$(CC) $(OPT) $(LDHARD) -o $@ $^

bench: $(BUILD)/bench/lookup
