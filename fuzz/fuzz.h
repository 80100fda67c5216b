
/*
 * What the fuzz targets share: a property that does not hold ends the run
 * as a crash does, and libFuzzer keeps the input.
 */


#ifndef _FUZZ_H_INCLUDED_
#define _FUZZ_H_INCLUDED_


#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


#define fuzz_must(cond, what)                                                 \
    do {                                                                      \
        if (!(cond)) {                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, what);         \
            abort();                                                          \
        }                                                                     \
    } while (0)


/* a refusal says why, within its buffer, and leaves "out" as it was */

#define fuzz_refused(err, out, before)                                        \
    do {                                                                      \
        fuzz_must(memchr(err, '\0', SHARD_ERR_SIZE) != NULL, "unended err");  \
        fuzz_must((err)[0] != '\0', "refused without a reason");              \
        fuzz_must(memcmp(out, before, sizeof(*(out))) == 0,                   \
                  "a refusal changed the record");                            \
    } while (0)


#endif /* _FUZZ_H_INCLUDED_ */
