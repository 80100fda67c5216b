
#include <limits.h>
#include <math.h>
#include <string.h>

#include "lineage.h"


/* a share above this is all of it, as figures go */

#define PREDICTOR_LINEAGE_ALL      0.9995

/* no more of the past than this says what a share is now, days */

#define PREDICTOR_LINEAGE_RECENT   7

#define PREDICTOR_LINEAGE_DAY_S    86400
#define PREDICTOR_LINEAGE_HOUR_S   3600

/* the change came in one of so many slots: nothing of them is clear */

#define PREDICTOR_LINEAGE_MIXED    2


static int predictor_line_add(predictor_line_t *line, shard_id_t id,
    long first, long last, double factor);
static double predictor_line_share(const predictor_line_t *line,
    shard_id_t id, const predictor_history_t *h, long res_s);


void
predictor_line_begin(predictor_line_t *line, long since)
{
    memset(line, 0, sizeof(predictor_line_t));
    line->since = since;
}


static int
predictor_line_add(predictor_line_t *line, shard_id_t id, long first,
    long last, double factor)
{
    predictor_borrow_piece_t  *piece;

    if (first >= last) {
        return SHARD_OK;
    }

    if (line->npieces == PREDICTOR_LINEAGE_PIECES) {
        return SHARD_AGAIN;
    }

    piece = &line->piece[line->npieces++];
    piece->id = id;
    piece->first = first;
    piece->last = last;
    piece->factor = (float) factor;

    return SHARD_OK;
}


int
predictor_line_parent(predictor_line_t *line, shard_id_t id, double share,
    const predictor_line_t *parent)
{
    int                              rc;
    long                             last, since;
    uint32_t                         i;
    const predictor_borrow_piece_t  *piece;

    if (line->nparents == PREDICTOR_LINEAGE_PARENTS) {
        return SHARD_AGAIN;
    }

    line->parent[line->nparents].id = id;
    line->parent[line->nparents++].share = (float) share;

    if (line->how != PREDICTOR_BORROW_SPLIT) {
        line->how = share < PREDICTOR_LINEAGE_ALL ? PREDICTOR_BORROW_SPLIT
                                                  : PREDICTOR_BORROW_MERGED;
    }

    since = parent && parent->npieces ? parent->since : 0;
    last = line->since - PREDICTOR_LINEAGE_MIXED;

    rc = predictor_line_add(line, id, since, last, share);

    for (i = 0; rc == SHARD_OK && parent && i < parent->npieces; i++) {
        piece = &parent->piece[i];
        rc = predictor_line_add(line, piece->id, piece->first,
                                piece->last < last ? piece->last : last,
                                piece->factor * share);
    }

    return rc;
}


void
predictor_line_sibling(predictor_line_t *line, shard_id_t id)
{
    if (line->nsiblings < PREDICTOR_LINEAGE_SIBLINGS) {
        line->sibling[line->nsiblings] = id;
    }

    line->nsiblings++;

    if (line->nsiblings > PREDICTOR_LINEAGE_SIBLINGS) {
        line->nsiblings = PREDICTOR_LINEAGE_SIBLINGS + 1;
    }
}


static int
predictor_line_siblings(const predictor_line_t *line)
{
    return line->nparents == 1 && line->how == PREDICTOR_BORROW_SPLIT
           && line->nsiblings > 1
           && line->nsiblings <= PREDICTOR_LINEAGE_SIBLINGS;
}


/* of the load of all siblings since the change */

static double
predictor_line_share(const predictor_line_t *line, shard_id_t id,
    const predictor_history_t *h, long res_s)
{
    long      slot, first, hour;
    double    own, all, sum, n;
    uint32_t  i;

    first = h->last + 1
            - PREDICTOR_LINEAGE_RECENT * PREDICTOR_LINEAGE_DAY_S / res_s;
    first = first > line->since ? first : line->since;
    own = all = n = 0;

    for (slot = first; slot <= h->last; slot++) {
        sum = 0;

        for (i = 0; i < line->nsiblings; i++) {
            sum += predictor_history_value(h, line->sibling[i], slot);
        }

        if (isfinite(sum)) {
            own += predictor_history_value(h, id, slot);
            all += sum;
            n++;
        }
    }

    if (!(all > 0)) {
        return line->parent[0].share;
    }

    hour = res_s < PREDICTOR_LINEAGE_HOUR_S ? PREDICTOR_LINEAGE_HOUR_S / res_s
                                            : 1;

    /* the share of keys weighs as an hour of the mean load */

    return (own + line->parent[0].share * all / n * (double) hour)
           / (all + all / n * (double) hour);
}


void
predictor_line_settle(predictor_line_t *line, shard_id_t id,
    const predictor_history_t *h, long res_s)
{
    double    factor;
    uint32_t  i;

    if (!predictor_line_siblings(line)) {
        return;
    }

    factor = predictor_line_share(line, id, h, res_s) / line->parent[0].share;
    line->parent[0].share *= (float) factor;
    line->nsiblings = 0;

    for (i = 0; i < line->npieces; i++) {
        line->piece[i].factor *= (float) factor;
    }
}


void
predictor_line_borrow(const predictor_line_t *line, shard_id_t id,
    const predictor_history_t *h, const predictor_similar_t *s,
    predictor_borrow_t *b)
{
    uint32_t          i;
    predictor_line_t  now;

    now = *line;
    predictor_line_settle(&now, id, h, s->res_s);
    predictor_borrow_init(b, now.how, now.since);

    for (i = 0; i < now.npieces; i++) {
        (void) predictor_borrow_piece(b, now.piece[i].id, now.piece[i].first,
                                      now.piece[i].last, now.piece[i].factor);
    }

    for (i = 0; i < now.nparents; i++) {
        b->lender[i].id = now.parent[i].id;
        b->lender[i].ratio = now.parent[i].share;
        b->lender[i].correlation = NAN;
    }

    b->nlenders = now.nparents;

    if (!predictor_line_siblings(line)) {
        return;
    }

    /* together they are what the parent would be */

    for (i = 0; i < line->nsiblings; i++) {
        (void) predictor_borrow_piece(b, line->sibling[i], line->since,
                                      LONG_MAX, now.parent[0].share);
    }

    predictor_borrow_correct(b, s, id);
}
