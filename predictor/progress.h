
/*
 * How far a long run is, on standard error where that is a terminal:
 *
 *   [###########.................]  41 %  201 of 492 forecasts, 34/s, 9 s left
 */


#ifndef _PREDICTOR_PROGRESS_H_INCLUDED_
#define _PREDICTOR_PROGRESS_H_INCLUDED_


#include <stdint.h>


typedef struct {
    const char  *what;
    uint64_t     total;
    uint64_t     start_ms;
    int          shown;
} predictor_progress_t;


void predictor_progress_start(predictor_progress_t *p, const char *what,
    uint64_t total);
void predictor_progress_show(predictor_progress_t *p, uint64_t done);

/* the line is cleared */

void predictor_progress_end(predictor_progress_t *p);


#endif /* _PREDICTOR_PROGRESS_H_INCLUDED_ */
