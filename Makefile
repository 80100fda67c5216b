# make             everything into build/
# make test        every test (needs what ./test.sh installs)
# make demo        the loop on a trace        [TRACE=file.csv]
# make bench       the data plane's figures       [BENCH="instructions cpu"]
# make bench-forecast  how good forecasts are      [TRACES=folder] [BENCH_MINUTES=15]
# make bench-plan  what planning ahead is worth    [TRACES=folder] [FLEET=file.csv]
# make chaos        a fault in each phase of a migration   [CHAOS_FAULTS=kill,stop CHAOS_JOBS=6 ...]
# make fuzz        every parser under libFuzzer  [FUZZ_SECONDS=20 each; -j2]
# make sanitize    the same programs and module under ASan and UBSan, into build/san/
# make clang       all of it by clang as well, warnings are errors, into build/clang/
# make compat      the module built and tested on Debian 13 (root only)
# make static      nginx with the module linked in, and a test of it
# make clean

BUILD   = build
CC      = gcc
SAN     =
OPT     = -O2 -g -ftree-vectorize
WARN    = -Wall -Wextra -Wshadow -Werror
HARDEN  = -fstack-protector-strong -fPIE
ifeq ($(SAN),)
HARDEN += -D_FORTIFY_SOURCE=2
LDHARD  = -pie -Wl,-z,relro,-z,now
else
HARDEN += -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
LDHARD  = -pie -fsanitize=address,undefined
endif
CFLAGS  = -std=c11 -D_GNU_SOURCE $(OPT) $(WARN) $(HARDEN) -MMD -MP -Isrc/core -Isrc/daemon -I$(BUILD)/gen -I/usr/include/postgresql

core      := $(wildcard src/core/*.c)
expose    := src/daemon/shardd_expose.c
daemon    := $(filter-out $(expose),$(wildcard src/daemon/*.c))
predictor := $(wildcard predictor/*.c)
migrator  := $(wildcard migrator/*.c)
shardctl  := $(wildcard shardctl/*.c)
shardkv   := $(wildcard examples/shardkv/*.c)
shardload := $(wildcard bench/shardload*.c)
unit      := $(wildcard t/unit/*.c)

# pure files of predictor and migrator carry no main() and may be unit-tested
predictor_pure := $(filter-out predictor/main.c,$(predictor))
migrator_pure  := $(filter-out migrator/main.c,$(migrator))

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

LIBS_daemon    = -lhiredis -lyaml -ljansson -lical
LIBS_predictor = $(LIBS_daemon) -lcurl -lmicrohttpd -llapack -lblas -lpthread -ldl -lm
LIBS_migrator  = $(LIBS_daemon) -lcurl -lmicrohttpd -lldns -lpq -lpthread -lm
LIBS_shardctl  = $(LIBS_daemon) -lcurl -lm
LIBS_shardkv   = -lpq -lmicrohttpd -llmdb -ljansson -lhiredis -lpthread -lm
LIBS_shardload = -ljansson -lm

programs = $(BUILD)/shard-predictor $(BUILD)/shard-migrator $(BUILD)/shardctl $(BUILD)/shardkv $(BUILD)/shardload
module   = $(BUILD)/ngx_http_shard_module.so
units    = $(patsubst t/unit/%.c,$(BUILD)/unit/%,$(unit))

all: programs module
programs: $(programs)
module: $(module)
units: $(units)

$(BUILD)/shard-predictor: $(call obj,$(core) $(daemon) $(expose) $(predictor))
	$(CC) $(OPT) $(LDHARD) -o $@ $^ $(LIBS_predictor)

$(BUILD)/shard-migrator: $(call obj,$(core) $(daemon) $(expose) $(migrator))
	$(CC) $(OPT) $(LDHARD) -o $@ $^ $(LIBS_migrator)

# it shows what the predictor makes of a distribution by the same code, and
# refuses the same policies

$(BUILD)/shardctl: $(call obj,$(core) $(daemon) $(shardctl) predictor/spread_cut.c predictor/resize_policy.c)
	$(CC) $(OPT) $(LDHARD) -o $@ $^ $(LIBS_shardctl)

# its Redis engine speaks to Redis as the daemons do

redis := $(addprefix src/daemon/,shardd_data.c shardd_redis.c shardd_redis_url.c shardd_loop.c)

$(BUILD)/shardkv: $(call obj,$(core) $(redis) $(shardkv))
	$(CC) $(OPT) $(LDHARD) -o $@ $^ $(LIBS_shardkv)

$(BUILD)/shardload: $(call obj,$(core) $(shardload))
	$(CC) $(OPT) $(LDHARD) -o $@ $^ $(LIBS_shardload)

$(BUILD)/unit/%: $(BUILD)/obj/t/unit/%.o $(call obj,$(core) $(daemon) $(expose) $(predictor_pure) $(migrator_pure))
	@mkdir -p $(@D)
	$(CC) $(OPT) $(LDHARD) -o $@ $^ $(LIBS_predictor) -lcurl -lldns -lpq

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c -o $@ $<

# the Redis function libraries, as C strings

$(BUILD)/gen/shard_lua.h: $(wildcard src/lua/*.lua) src/lua/embed.sh
	@mkdir -p $(@D)
	sh src/lua/embed.sh >$@.tmp && mv $@.tmp $@

$(BUILD)/gen/shard_data_lua.h: $(wildcard src/lua/data/*.lua) src/lua/embed.sh
	@mkdir -p $(@D)
	sh src/lua/embed.sh data >$@.tmp && mv $@.tmp $@

$(call obj,$(daemon) $(shardctl)): $(BUILD)/gen/shard_lua.h
$(call obj,src/daemon/shardd_data.c): $(BUILD)/gen/shard_data_lua.h

# what PostgreSQL is taught, as C strings

$(BUILD)/gen/postgres_sql.h: conf/postgres.sql examples/shardkv/postgres.sql
	@mkdir -p $(@D)
	for f in $^; do \
	    echo "static const char $$(echo $$f | tr -c 'a-z\n' _)[] ="; \
	    sed 's/[\"]/\\&/g; s/^/"/; s/$$/\\n"/' $$f; echo ';'; \
	done >$@.tmp && mv $@.tmp $@

$(call obj,$(shardkv)): $(BUILD)/gen/postgres_sql.h

# the module: nginx's own build, from Debian's nginx-dev

$(module): config ngx_http_shard_module.c $(wildcard src/ngx/*.[ch]) $(wildcard src/core/*.[ch]) src/ngx/build.sh
	SAN=$(SAN) CC=$(CC) bash src/ngx/build.sh $(abspath $(BUILD))

sanitize:
	$(MAKE) BUILD=build/san SAN=1 OPT='-O1 -g' all units

clang:
	$(MAKE) BUILD=build/clang CC=clang OPT='-O1 -g' all units

test: all units sanitize clang
	prove -It/lib $(PROVE_FLAGS) t/

demo: all
	perl -It/lib conf/demo.pl

bench: all
	perl -It/lib -Ibench/lib bench/run.pl $(BENCH)

clean:
	rm -rf build

.PHONY: all programs module units sanitize clang test demo bench clean

-include fuzz/fuzz.mk bench/bench.mk compat/compat.mk
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
