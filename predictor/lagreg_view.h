
/*
 * The series as the features of the lag regression want it: values z on its
 * scale, and sums of all before each, so that a mean over any window costs two
 * loads.
 *
 *     a fit       all of them, anomalies and bases listed
 *
 *     a forecast  y     ░░░░░░░░ ░░░░░░░░ ░░░░░░░░ ░░░░     blocks of 8 steps
 *                 memo   print?   print?   print?  ...  ─▶ sum of z
 *                        before  + sum    + sum    + ...
 *                                └─▶ z and sums within, when asked for
 *
 * A forecast, of one origin, asks for a sixth of all z, which are logarithms.
 * Sums of the other blocks are remembered from one forecast to the next.  A
 * memo counts where the block's values are those it was made of, by a print of
 * 64 bits: they may have become others, as filled gaps and events do.
 */


#ifndef _PREDICTOR_LAGREG_VIEW_H_INCLUDED_
#define _PREDICTOR_LAGREG_VIEW_H_INCLUDED_


#include "transform.h"


#define PREDICTOR_LAGREG_BLOCK_SHIFT  3
#define PREDICTOR_LAGREG_BLOCK_STEPS  (1 << PREDICTOR_LAGREG_BLOCK_SHIFT)


/* what is remembered of a block */

typedef struct {
    uint64_t                      print;
    double                        sum;
} predictor_lagreg_memo_t;

/* n values each, sums one more */

typedef struct {
    uint32_t                      n;
    uint32_t                      before;   /* steps of the first block that
                                               are before the series */
    double                       *z;
    double                       *zsum;     /* zsum[i]: of all before i */
    double                       *anomaly;  /* 0 where there is no base */
    double                       *asum;
    double                       *daily;    /* base of the step, by days */
    double                       *base;     /* and by weeks too; all four are
                                               NULL where not listed */
    uint8_t                      *known;    /* by block; NULL: all are */
    double                       *sum;      /* of all z before a block */
    const double                 *y;
    const predictor_transform_t  *scale;
} predictor_lagreg_view_t;


/* doubles that a view of n values takes */

size_t predictor_lagreg_view_size(uint32_t n);

/* places a view; returns the memory behind it */

double *predictor_lagreg_view_place(predictor_lagreg_view_t *view,
    double *memory, uint32_t n);

/* all z and their sums */

void predictor_lagreg_view_whole(predictor_lagreg_view_t *view,
    const predictor_series_t *series, const predictor_transform_t *scale);

/* none of them yet; the series and the scale must outlive the view */

void predictor_lagreg_view_blocks(predictor_lagreg_view_t *view,
    const predictor_series_t *series, const predictor_transform_t *scale,
    const predictor_lagreg_memo_t *memo, uint32_t nmemo);

/* brings z and sums of a block */

void predictor_lagreg_view_bring(const predictor_lagreg_view_t *view,
    uint32_t block);

/* to be called before z[i] and zsum[i] are looked at, for i in [low, high] */

static inline void
predictor_lagreg_view_need(const predictor_lagreg_view_t *view, uint32_t low,
    uint32_t high)
{
    uint32_t  block, last;

    if (view->known == NULL) {
        return;
    }

    last = (high + view->before) >> PREDICTOR_LAGREG_BLOCK_SHIFT;

    for (block = (low + view->before) >> PREDICTOR_LAGREG_BLOCK_SHIFT;
         block <= last;
         block++)
    {
        if (!view->known[block]) {
            predictor_lagreg_view_bring(view, block);
        }
    }
}


/* memos that suffice for n values */

uint32_t predictor_lagreg_memos(uint32_t n);

/* the blocks of a series from that of its value "from" on; one that is not full
 * yet is taken as far as it goes */

void predictor_lagreg_remember(predictor_lagreg_memo_t *memo, uint32_t nmemo,
    const predictor_series_t *series, const predictor_transform_t *scale,
    uint32_t from);


#endif /* _PREDICTOR_LAGREG_VIEW_H_INCLUDED_ */
