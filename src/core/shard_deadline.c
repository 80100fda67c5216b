
#include "shard_deadline.h"


typedef struct {
    char      unit[3];
    uint32_t  multiply;
    uint32_t  divide;
} shard_deadline_unit_t;


static const shard_deadline_unit_t  shard_deadline_units[] = {
    { "", 1, 1 },
    { "ms", 1, 1 },
    { "s", 1000, 1 },
    { "H", 3600000, 1 },
    { "M", 60000, 1 },
    { "S", 1000, 1 },
    { "m", 1, 1 },
    { "u", 1, 1000 },
    { "n", 1, 1000000 }
};


static int shard_deadline_is_unit(shard_str_t text, const char *unit);


static int
shard_deadline_is_unit(shard_str_t text, const char *unit)
{
    size_t  i;

    for (i = 0; i < text.len && unit[i]; i++) {
        if (text.data[i] != unit[i]) {
            return 0;
        }
    }

    return i == text.len && unit[i] == '\0';
}


int
shard_deadline_decode(shard_str_t text, uint64_t *ms)
{
    size_t    i;
    uint64_t  value;

    value = 0;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            break;
        }

        if (i == SHARD_DEADLINE_DIGITS) {
            return SHARD_ERROR;
        }

        value = value * 10 + (uint64_t) (text.data[i] - '0');
    }

    if (i == 0) {
        return SHARD_ERROR;
    }

    text.data += i;
    text.len -= i;

    for (i = 0;
         i < sizeof(shard_deadline_units) / sizeof(shard_deadline_unit_t);
         i++)
    {
        if (shard_deadline_is_unit(text, shard_deadline_units[i].unit)) {
            *ms = value * shard_deadline_units[i].multiply
                  / shard_deadline_units[i].divide;
            return SHARD_OK;
        }
    }

    return SHARD_ERROR;
}
