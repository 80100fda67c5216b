
/*
 * Lines of words in a scenario:
 *
 *     nodes     n0 eu-1 150 1.2
 *     failures  n0 at 24d12h for 2h        n0 at peak for 2h
 *     events    x2.5 at 24d12h for 2h shards s1,s2 unknown
 *
 * Times count from the fleet's first line; "peak" is the step of the judged
 * part with the most load.
 */


#ifndef _PREDICTOR_SIMULATE_ITEMS_H_INCLUDED_
#define _PREDICTOR_SIMULATE_ITEMS_H_INCLUDED_


#include "simulate.h"


#define PREDICTOR_ITEM_WORDS  16
#define PREDICTOR_ITEM_SIZE   4200


typedef struct {
    const predictor_sim_t  *s;
    const char             *key;
    const char             *item;
    char                    text[PREDICTOR_ITEM_SIZE];
    char                   *word[PREDICTOR_ITEM_WORDS];
    uint32_t                n;
} predictor_item_t;


void predictor_item_words(predictor_item_t *item, const predictor_sim_t *s,
    const char *key, const char *text);

/* always 2, said with the item's place */

int predictor_item_wrong(const predictor_item_t *item, const char *why);

/* 0, or 2 when said, 1 without memory */

int predictor_item_failure(predictor_sim_t *s, const char *text);
int predictor_item_event(predictor_sim_t *s, const char *text);


#endif /* _PREDICTOR_SIMULATE_ITEMS_H_INCLUDED_ */
