
/*
 * Decisions followed until their horizon is over, scored, and summed up.
 *
 *   decisions ──▶ pending ──due──▶ hindsight.h ──┬─▶ regret        (first)
 *   migrations, history ──────────────▲          └─▶ decision:ID   (then)
 *   tables as they change ────────────┘              field "score"
 *
 * Nothing is counted twice: the sums are written as a whole and in one step
 * with the ids that are new in them ("counted") and the time up to which all
 * that was due is in them ("upto").  Who dies between the two writes finds
 * those ids after the start, scores them again, and adds nothing.
 */


#ifndef _PREDICTOR_HINDSIGHT_STORE_H_INCLUDED_
#define _PREDICTOR_HINDSIGHT_STORE_H_INCLUDED_


#include "fleet.h"
#include "hindsight.h"


#define PREDICTOR_PENDING_MAX   4096
#define PREDICTOR_SEEN_MAX      4096
#define PREDICTOR_SCORED_MAX    64      /* in one tick */


typedef struct {
    char                 id[17];
    uint64_t             decided_ms;
    shard_id_t           shard;
    char                 from[SHARD_NAME_SIZE];
    char                 to[SHARD_NAME_SIZE];

    /* of its reason, or as the configuration says */
    double               decided_s;
    double               due_s;
    double               threshold;
    double               extra;
    double               move_s;
    unsigned             advice:1;
    unsigned             drain:1;
    unsigned             operator:1;
    unsigned             summed:1;      /* the sums have got it */
} predictor_pending_t;


/* a shard that was found on another node; names, as numbers change */

typedef struct {
    shard_id_t           shard;
    double               after_s;       /* it was on "from" then */
    double               at_s;          /* and on "to" then */
    char                 from[SHARD_NAME_SIZE];
    char                 to[SHARD_NAME_SIZE];
} predictor_seen_t;


typedef enum {
    PREDICTOR_HELPED = 0,
    PREDICTOR_HARMED,
    PREDICTOR_NEITHER,
    PREDICTOR_DRAINED,                  /* it was for another purpose */
    PREDICTOR_UNKNOWN,                  /* too little is known of the loads */
    PREDICTOR_VERDICTS
} predictor_verdict_e;

extern const char *const predictor_verdict_words[];


typedef struct {
    uint64_t             verdicts[PREDICTOR_VERDICTS];
    double               toll[PREDICTOR_COURSES];       /* violation_s */
    double               saved_nothing_s;
    double               saved_reacting_s;
    double               regret_s;
    double               cost_s;
} predictor_regret_t;

typedef enum {
    PREDICTOR_REGRET_ACT = 0,
    PREDICTOR_REGRET_RECOMMEND,
    PREDICTOR_REGRETS
} predictor_regret_e;

extern const char *const predictor_regret_words[];


typedef struct {
    predictor_verdict_e          verdict;
    const char                  *why;   /* of an unknown one */
    double                       at_s;
    double                       until_s;
    double                       res_s;
    double                       move_s;
    unsigned                     carried:1;
    predictor_hindsight_score_t  score;
} predictor_judged_t;


typedef struct {
    size_t               n;
    predictor_pending_t *pending;
    char                 last[48];      /* newest entry of the stream seen */
    double               upto_s;
    predictor_regret_t   regret[PREDICTOR_REGRETS];

    size_t               nseen;         /* a ring */
    predictor_seen_t    *seen;
    double               seen_s;        /* the last look */

    unsigned             loaded:1;
    unsigned             full:1;        /* said so */
} predictor_following_t;


typedef struct {
    const predictor_io_t       *io;
    const predictor_conf_t     *conf;
    const predictor_clock_t    *clock;
    const predictor_fleet_t    *fleet;
    const predictor_history_t  *history;
    double                      res_s;
    double                      now_s;
} predictor_hindsight_world_t;


/* scores what is due; all return shardd_rc_e */

int predictor_following(predictor_following_t *f,
    const predictor_hindsight_world_t *world);
void predictor_following_done(predictor_following_t *f);

/* notes where shards went between two looks at the table */

void predictor_following_watch(predictor_following_t *f,
    const predictor_fleet_t *old, const predictor_fleet_t *new, double now_s);


/* parts of it: hindsight_read.c, what the store says */

int predictor_pending_read(const predictor_hindsight_world_t *world,
    const shardd_entry_t *e, predictor_pending_t *p);

/* all known moves, *changes is to be freed; and the decision's own one */

int predictor_changes_read(const predictor_hindsight_world_t *world,
    const predictor_following_t *f, const shardd_entries_t *migrations,
    predictor_change_t **changes, uint32_t *n);
int predictor_passage_read(const predictor_hindsight_world_t *world,
    const shardd_entries_t *migrations, const char *id,
    predictor_passage_t *own);


/* hindsight_judge.c: scores one */

int predictor_judge(const predictor_hindsight_world_t *world,
    const predictor_pending_t *p, const shardd_entries_t *migrations,
    const predictor_change_t *changes, uint32_t nchanges,
    predictor_judged_t *j);


/* hindsight_json.c: texts to be freed, NULL without memory */

char *predictor_score_json(const predictor_pending_t *p,
    const predictor_judged_t *j);
char *predictor_regret_json(const predictor_regret_t *r);

/* what cannot be read counts as nothing */

void predictor_regret_read(predictor_regret_t *r, const char *text);

/* the time a score's text is of, 0: none */

uint64_t predictor_score_decided_ms(const char *text);

void predictor_regret_add(predictor_regret_t *r,
    const predictor_judged_t *j);


#endif /* _PREDICTOR_HINDSIGHT_STORE_H_INCLUDED_ */
