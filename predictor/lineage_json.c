
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "cold.h"


/* seconds since 1970 of any slot are below this */

#define PREDICTOR_LINE_EPOCH_MAX  1e11
#define PREDICTOR_LINE_FACTOR     1000


static json_t *predictor_line_pieces(const predictor_line_t *line);


static json_t *
predictor_line_parents(const predictor_line_t *line)
{
    uint32_t   i;
    json_t    *list;

    list = json_array();

    for (i = 0; i < line->nparents; i++) {
        json_array_append_new(list,
            json_pack("[I,f]", (json_int_t) line->parent[i].id,
                      (double) line->parent[i].share));
    }

    return list;
}


static json_t *
predictor_line_pieces(const predictor_line_t *line)
{
    uint32_t                         i;
    json_t                          *list;
    const predictor_borrow_piece_t  *piece;

    list = json_array();

    for (i = 0; i < line->npieces; i++) {
        piece = &line->piece[i];
        json_array_append_new(list,
            json_pack("[I,I,I,f]", (json_int_t) piece->id,
                      (json_int_t) piece->first, (json_int_t) piece->last,
                      (double) piece->factor));
    }

    return list;
}


char *
predictor_line_encode(const char *bounds, const predictor_line_t *line,
    long res_s)
{
    char      *text;
    json_t    *object, *siblings;
    uint32_t   i;

    object = json_pack("{ss}", "bounds", bounds);

    if (line && line->npieces) {
        siblings = json_array();

        for (i = 0; i < line->nsiblings
                    && line->nsiblings <= PREDICTOR_LINEAGE_SIBLINGS; i++)
        {
            json_array_append_new(siblings, json_integer(line->sibling[i]));
        }

        json_object_set_new(object, "res_s", json_integer(res_s));
        json_object_set_new(object, "since", json_integer(line->since));
        json_object_set_new(object, "parents", predictor_line_parents(line));
        json_object_set_new(object, "siblings", siblings);
        json_object_set_new(object, "pieces", predictor_line_pieces(line));
    }

    text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(7));
    json_decref(object);

    return text;
}


/* SHARD_ERROR when it is no whole number from 0 to max */

static int
predictor_line_whole(const json_t *value, double max, long *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0
        || (double) json_integer_value(value) > max)
    {
        return SHARD_ERROR;
    }

    *out = (long) json_integer_value(value);

    return SHARD_OK;
}


static int
predictor_line_factor(const json_t *value, float *out)
{
    double  v;

    v = json_number_value(value);

    if (!json_is_number(value) || !(v >= 0 && v <= PREDICTOR_LINE_FACTOR)) {
        return SHARD_ERROR;
    }

    *out = (float) v;

    return SHARD_OK;
}


static int
predictor_line_decode_parents(const json_t *list, predictor_line_t *line)
{
    long                 id;
    size_t               i;
    json_t              *one;
    predictor_parent_t  *parent;

    if (json_array_size(list) < 1
        || json_array_size(list) > PREDICTOR_LINEAGE_PARENTS)
    {
        return SHARD_ERROR;
    }

    json_array_foreach(list, i, one) {
        parent = &line->parent[line->nparents++];

        if (predictor_line_whole(json_array_get(one, 0), UINT32_MAX, &id)
            != SHARD_OK
            || predictor_line_factor(json_array_get(one, 1), &parent->share)
               != SHARD_OK
            || !(parent->share > 0 && parent->share <= 1))
        {
            return SHARD_ERROR;
        }

        parent->id = (shard_id_t) id;

        if (line->how != PREDICTOR_BORROW_SPLIT) {
            line->how = parent->share < 0.9995f ? PREDICTOR_BORROW_SPLIT
                                                : PREDICTOR_BORROW_MERGED;
        }
    }

    return SHARD_OK;
}


static int
predictor_line_decode_pieces(const json_t *list, double max,
    predictor_line_t *line)
{
    long                       id;
    size_t                     i;
    json_t                    *one;
    predictor_borrow_piece_t  *piece;

    if (json_array_size(list) < 1
        || json_array_size(list) > PREDICTOR_LINEAGE_PIECES)
    {
        return SHARD_ERROR;
    }

    json_array_foreach(list, i, one) {
        piece = &line->piece[line->npieces++];

        if (predictor_line_whole(json_array_get(one, 0), UINT32_MAX, &id)
            != SHARD_OK
            || predictor_line_whole(json_array_get(one, 1), max,
                                    &piece->first) != SHARD_OK
            || predictor_line_whole(json_array_get(one, 2), max,
                                    &piece->last) != SHARD_OK
            || predictor_line_factor(json_array_get(one, 3), &piece->factor)
               != SHARD_OK)
        {
            return SHARD_ERROR;
        }

        piece->id = (shard_id_t) id;
    }

    return SHARD_OK;
}


static int
predictor_line_decode_siblings(const json_t *list, predictor_line_t *line)
{
    long     id;
    size_t   i;
    json_t  *one;

    if (json_array_size(list) > PREDICTOR_LINEAGE_SIBLINGS) {
        return SHARD_ERROR;
    }

    json_array_foreach(list, i, one) {

        if (predictor_line_whole(one, UINT32_MAX, &id) != SHARD_OK) {
            return SHARD_ERROR;
        }

        line->sibling[line->nsiblings++] = (shard_id_t) id;
    }

    return SHARD_OK;
}


/* what was counted in slots of another length is not of use any more */

static int
predictor_line_decode_object(const json_t *object, long res_s,
    predictor_line_t *line)
{
    long    res;
    double  max;

    memset(line, 0, sizeof(predictor_line_t));
    max = PREDICTOR_LINE_EPOCH_MAX / (double) res_s;

    if (json_object_get(object, "pieces") == NULL) {
        return SHARD_OK;
    }

    if (predictor_line_whole(json_object_get(object, "res_s"), 86400, &res)
        != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    if (res != res_s) {
        return SHARD_OK;
    }

    if (predictor_line_whole(json_object_get(object, "since"), max,
                             &line->since) != SHARD_OK
        || predictor_line_decode_parents(json_object_get(object, "parents"),
                                         line) != SHARD_OK
        || predictor_line_decode_siblings(json_object_get(object, "siblings"),
                                          line) != SHARD_OK
        || predictor_line_decode_pieces(json_object_get(object, "pieces"),
                                        max, line) != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


int
predictor_line_decode(const char *text, long res_s, char *bounds,
    predictor_line_t *line)
{
    int                rc;
    json_t            *object;
    const char        *value;
    predictor_line_t   new;

    object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    value = json_string_value(json_object_get(object, "bounds"));
    rc = SHARD_ERROR;

    if (value && strlen(value) < PREDICTOR_BOUNDS_TEXT) {
        rc = predictor_line_decode_object(object, res_s, &new);
    }

    if (rc == SHARD_OK) {
        memcpy(bounds, value, strlen(value) + 1);
        *line = new;
    }

    json_decref(object);

    return rc;
}
