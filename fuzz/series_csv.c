
/* lines of a series: refused with a place and a reason, or sound */

#include <math.h>

#include "../predictor/series_csv.h"

#include "fuzz.h"


static void  sound(const predictor_csv_t *csv);


static void
sound(const predictor_csv_t *csv)
{
    size_t    i;
    uint32_t  known;

    fuzz_must(csv->n <= PREDICTOR_SERIES_MAX, "too long");
    fuzz_must(csv->columns >= 1, "no column");
    fuzz_must((size_t) csv->n * csv->columns <= PREDICTOR_CSV_VALUES_MAX,
              "too many values");
    fuzz_must(csv->n < 2 || csv->interval_s > 0, "no interval");

    known = 0;

    for (i = 0; i < (size_t) csv->n * csv->columns; i++) {
        fuzz_must(isnan(csv->y[i]) || fabs(csv->y[i]) <= PREDICTOR_VALUE_MAX,
                  "neither a gap nor a value");
        known += i < csv->n && !isnan(csv->y[i]);
    }

    fuzz_must(known == csv->known, "counted wrongly");

    for (i = 0; csv->name && i < csv->columns; i++) {
        fuzz_must(memchr(csv->name[i], '\0', SHARD_NAME_SIZE) != NULL,
                  "unended name");
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int              rc;
    char             err[SHARD_ERR_SIZE];
    uint32_t         interval_s, columns;
    predictor_csv_t  csv;

    if (size < 2) {
        return 0;
    }

    interval_s = (uint32_t) data[0] * 60;
    columns = data[1] & 1 ? 1 : PREDICTOR_CSV_COLUMNS_MAX;
    memset(err, 0x5a, sizeof(err));

    rc = predictor_csv_text((const char *) data + 2, size - 2, interval_s,
                            columns, &csv, err);

    if (rc == SHARD_OK) {
        sound(&csv);
        fuzz_must(csv.columns <= columns, "more series than wanted");
        predictor_csv_free(&csv);
        return 0;
    }

    fuzz_must(memchr(err, '\0', SHARD_ERR_SIZE) != NULL, "unended err");
    fuzz_must(strstr(err, "line ") != NULL, "refused without a place");
    fuzz_must(csv.y == NULL && csv.name == NULL, "a refusal left memory");

    return 0;
}
