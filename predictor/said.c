
/*
 * What the members say together: their votes, the weights of the moment, the
 * margins about it.
 */


#include "combine_state.h"
#include "guard.h"


static uint32_t predictor_vote(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_state_t *s,
    const predictor_cut_t *cut);
static void predictor_unite(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_state_t *s,
    const predictor_merit_t *merit, const predictor_cut_t *cut,
    uint32_t voting, double *out);
static int predictor_single(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_state_t *s, void *work,
    double *out, const char **used);
static void predictor_stretch(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_merit_t *merit, double *out);
static void predictor_tell(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_cut_t *cut, uint32_t voting,
    const double *out, predictor_said_t *said);


int
predictor_predict(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out,
    const char **used)
{
    return predictor_predict_said(series, ask, state, NULL, work, out, used,
                                  NULL);
}


int
predictor_predict_said(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state,
    const predictor_merit_t *merit, void *work, double *out,
    const char **used, predictor_said_t *said)
{
    int                       rc;
    uint32_t                  voting, out_for;
    predictor_cut_t           cut;
    predictor_series_t        whole;
    const predictor_state_t  *s;

    s = state;
    predictor_cut(series, ask, work, &cut);

    rc = predictor_whole(series, ask, s, cut.y, &whole);

    if (rc != SHARD_OK) {
        return rc;
    }

    voting = s->margins.nsteps ? predictor_vote(&whole, ask, s, &cut) : 0;

    if (voting & PREDICTOR_LEARNT) {
        predictor_unite(&whole, ask, s, merit, &cut, voting, out);
        *used = "combined";

    } else {
        voting = 0;
        rc = predictor_single(&whole, ask, s, cut.work, out, used);

        if (rc != SHARD_OK) {
            return rc;
        }
    }

    if (merit) {
        predictor_stretch(&whole, ask, merit, out);
    }

    out_for = predictor_outages_now(&s->breaks.outages, series);

    if (out_for) {
        predictor_outages_expect(out_for, series->y[series->n - 1], ask, out);
    }

    predictor_guard(&whole, ask, out);

    if (said) {
        predictor_tell(&whole, ask, &cut, voting, out, said);
    }

    return SHARD_OK;
}


/* bits of those whose votes are there; in place of the week the day */

static uint32_t
predictor_vote(const predictor_series_t *series, const predictor_ask_t *ask,
    const predictor_state_t *s, const predictor_cut_t *cut)
{
    int              rc;
    uint32_t         i, member, voting;
    predictor_ask_t  points;

    points = *ask;
    points.nq = 0;
    voting = 0;

    for (i = 0; i < PREDICTOR_VOTERS; i++) {
        member = i;

        if (i == PREDICTOR_WEEKLY && !(s->fitted & 1u << i)) {
            member = PREDICTOR_DAILY;
        }

        if (!(s->fitted & 1u << member)) {
            continue;
        }

        rc = predictor_members[member].model->forecast(series, &points,
                                   (const char *) s + s->offset[member],
                                   cut->work, cut->vote[i]);

        if (rc == SHARD_OK && predictor_finite(cut->vote[i], ask->horizon)) {
            voting |= 1u << i;
        }
    }

    return voting;
}


static void
predictor_unite(const predictor_series_t *series, const predictor_ask_t *ask,
    const predictor_state_t *s, const predictor_merit_t *merit,
    const predictor_cut_t *cut, uint32_t voting, double *out)
{
    double    vote[PREDICTOR_VOTERS], weight[PREDICTOR_VOTERS];
    uint32_t  h, i, n;

    for (h = 1; h <= ask->horizon; h++, out += 1 + ask->nq) {
        predictor_voices_at(&s->weights, merit, series->interval_s, h,
                             voting, weight);
        n = 0;

        for (i = 0; i < PREDICTOR_VOTERS; i++) {
            if (voting & 1u << i) {
                weight[n] = weight[i];
                vote[n++] = cut->vote[i][h - 1];
            }
        }

        out[0] = predictor_said(vote, weight, n,
                                predictor_voices_hold(&s->weights, h));
        predictor_margins_at(&s->margins, h, out);
    }
}


/* the model that was wished for, or what stands in, with its own quantiles */

static int
predictor_single(const predictor_series_t *series, const predictor_ask_t *ask,
    const predictor_state_t *s, void *work, double *out, const char **used)
{
    uint32_t                  i;
    const predictor_model_t  *model;

    for (i = s->wish ? 0 : PREDICTOR_DAILY; i < PREDICTOR_MEMBERS; i++) {
        model = predictor_member(s->wish, i);

        if (s->fitted & 1u << i
            && model->forecast(series, ask,
                               (const char *) s + s->offset[i], work, out)
               == SHARD_OK
            && predictor_finite(out, (size_t) ask->horizon * (1 + ask->nq)))
        {
            *used = model->name;
            return SHARD_OK;
        }
    }

    return SHARD_AGAIN;
}


static void
predictor_stretch(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_merit_t *merit, double *out)
{
    uint32_t  h, i, c;

    for (h = 1; h <= ask->horizon; h++, out += 1 + ask->nq) {
        c = predictor_horizon_class(series->interval_s, h);

        for (i = 1; i <= ask->nq; i++) {
            out[i] = out[0] + (out[i] - out[0])
                              * predictor_merit_stretch(merit, c,
                                                        ask->q[i - 1] > 0.5);
        }
    }
}


/* what will be compared with what comes */

static void
predictor_tell(const predictor_series_t *series, const predictor_ask_t *ask,
    const predictor_cut_t *cut, uint32_t voting, const double *out,
    predictor_said_t *said)
{
    uint32_t           c, i, lead[PREDICTOR_CLASSES];
    const double      *row;
    predictor_said_t  *one;

    predictor_merit_leads(series->interval_s, ask->horizon, lead);

    for (c = 0; c < PREDICTOR_CLASSES; c++) {
        one = &said[c];
        predictor_said_nothing(one);

        if (lead[c] == 0) {
            continue;
        }

        row = out + (size_t) (lead[c] - 1) * (1 + ask->nq);
        one->point = (float) row[0];

        for (i = 0; i < PREDICTOR_VOTERS; i++) {
            if (voting & 1u << i) {
                one->member[i] = (float) cut->vote[i][lead[c] - 1];
            }
        }

        for (i = 0; i < ask->nq; i++) {
            if (ask->q[i] < 0.5
                && (one->low_q == 0 || ask->q[i] < one->low_q))
            {
                one->low_q = (float) ask->q[i];
                one->low = (float) row[1 + i];
            }

            if (ask->q[i] > 0.5 && ask->q[i] > one->high_q) {
                one->high_q = (float) ask->q[i];
                one->high = (float) row[1 + i];
            }
        }
    }
}
