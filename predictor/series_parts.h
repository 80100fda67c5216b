
/* What series.c and series_router.c share: the open slots from inside. */


#ifndef _PREDICTOR_SERIES_PARTS_H_INCLUDED_
#define _PREDICTOR_SERIES_PARTS_H_INCLUDED_


#include "series.h"


typedef enum {
    PREDICTOR_SPAN_COVERED = 0,
    PREDICTOR_SPAN_LOST
} predictor_span_e;


predictor_slot_t *predictor_slots_at(const predictor_slots_t *s, long slot);

/* the slot's beginning, ms since 1970 of real time */

double predictor_slots_ms(const predictor_slots_t *s, long slot);

/* the part of [begin, end) ms that lies in the slot, in ms */

double predictor_slots_overlap(const predictor_slots_t *s, long slot,
    double begin, double end);

/* the router's number; SHARD_AGAIN: more live ones than there is room for */

int predictor_slots_router(predictor_slots_t *s, shard_str_t name,
    double end_ms);

/* adds (sign 1) or takes away (-1) time of a router */

void predictor_slots_span(predictor_slots_t *s, int router,
    predictor_span_e what, double begin, double end, int sign);

/* 1: not seen before; a hole in the sequence is lost time until it comes */

int predictor_slots_sequence(predictor_slots_t *s, int router,
    const shard_metrics_head_t *head);


#endif /* _PREDICTOR_SERIES_PARTS_H_INCLUDED_ */
