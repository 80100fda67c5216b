
/* What a new, split or merged shard's forecast has borrowed, and from whom. */


#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shardctl.h"


#define BORROWED_HOURS   24
#define BORROWED_HEIGHT  4          /* lines of the picture */
#define BORROWED_LABEL   8
#define BORROWED_FROM    8          /* lenders, at most */


static json_t *borrowed_lenders(const json_t *list);
static json_t *borrowed_shape(const json_t *list);
static void borrowed_picture(shardctl_t *ctl, const json_t *shape);


static const shardctl_column_t  borrowed_similar_columns[] = {
    { "shard", "LIKE SHARD", SHARDCTL_INT },
    { "similarity", "SIMILARITY", SHARDCTL_PERCENT },
    { "weight", "WEIGHT", SHARDCTL_PERCENT },
    { "ratio", "LOAD TO ITS", SHARDCTL_PERCENT },
    { NULL, NULL, SHARDCTL_TEXT }
};

static const shardctl_column_t  borrowed_parent_columns[] = {
    { "shard", "FROM SHARD", SHARDCTL_INT },
    { "share", "SHARE OF ITS LOAD", SHARDCTL_PERCENT },
    { NULL, NULL, SHARDCTL_TEXT }
};


/* a part that is malformed is as if it were not there: nothing is decided by
 * it, it is only shown */

json_t *
shardctl_borrowed(const char *text)
{
    json_t      *whole, *borrowed, *from, *shape, *out;
    const char  *how;

    whole = shardctl_json(text);
    borrowed = json_object_get(whole, "borrowed");
    how = shardctl_get_text(borrowed, "how");
    out = NULL;

    from = borrowed_lenders(json_object_get(borrowed, "from"));
    shape = borrowed_shape(json_object_get(borrowed, "shape"));

    if (from && json_is_number(json_object_get(borrowed, "own_s"))
        && (strcmp(how, "similar") == 0 || strcmp(how, "split") == 0
            || strcmp(how, "merged") == 0))
    {
        out = json_pack("{s:s, s:o, s:O}", "how", how, "own_s",
                        shardctl_number(shardctl_get_number(borrowed,
                                                            "own_s")),
                        "from", from);

        if (shape) {
            json_object_set(out, "shape", shape);
        }
    }

    json_decref(from);
    json_decref(shape);
    json_decref(whole);

    return out;
}


static json_t *
borrowed_lenders(const json_t *list)
{
    size_t   i, k;
    json_t  *one, *row, *rows;

    static const char *const  names[] = {
        "similarity", "weight", "ratio", "share"
    };

    if (json_array_size(list) < 1 || json_array_size(list) > BORROWED_FROM) {
        return NULL;
    }

    rows = json_array();

    json_array_foreach(list, i, one) {

        if (!json_is_integer(json_object_get(one, "shard"))) {
            json_decref(rows);
            return NULL;
        }

        row = json_pack("{s:O}", "shard", json_object_get(one, "shard"));

        for (k = 0; k < sizeof(names) / sizeof(names[0]); k++) {

            if (json_is_number(json_object_get(one, names[k]))) {
                json_object_set(row, names[k], json_object_get(one, names[k]));
            }
        }

        json_array_append_new(rows, row);
    }

    return rows;
}


static json_t *
borrowed_shape(const json_t *list)
{
    size_t   i;
    json_t  *one, *shape;

    if (json_array_size(list) != BORROWED_HOURS) {
        return NULL;
    }

    shape = json_array();

    json_array_foreach(list, i, one) {
        json_array_append_new(shape, json_is_number(one)
                              ? shardctl_number(json_number_value(one))
                              : json_null());
    }

    return shape;
}


void
shardctl_borrowed_line(shardctl_t *ctl, const json_t *borrowed)
{
    char         text[512], own[40];
    size_t       i, n;
    json_t      *one, *from;
    const char  *how;

    from = json_object_get(borrowed, "from");
    how = shardctl_get_text(borrowed, "how");

    shardctl_span(1000 * shardctl_get_number(borrowed, "own_s"), own,
                  sizeof(own));

    n = (size_t) snprintf(text, sizeof(text), "it has %s of its own; before "
                          "that it borrows from the %s ", own,
                          strcmp(how, "split") == 0 ? "shard it was part of,"
                          : strcmp(how, "merged") == 0 ? "shards it was made "
                          "of," : "shards most like it,");

    json_array_foreach(from, i, one) {

        if (n < sizeof(text) - 16) {
            n += (size_t) snprintf(text + n, sizeof(text) - n, "%s%.0f",
                                   i ? ", " : "",
                                   shardctl_get_number(one, "shard"));
        }
    }

    snprintf(text + n, sizeof(text) - n, "\n");
    shardctl_put(ctl, SHARDCTL_PLAIN, text);
}


void
shardctl_borrowed_show(shardctl_t *ctl, const json_t *borrowed)
{
    if (!json_is_object(borrowed)) {
        return;
    }

    printf("\n");
    shardctl_borrowed_line(ctl, borrowed);
    printf("\n");

    shardctl_table(ctl, json_object_get(borrowed, "from"),
                   strcmp(shardctl_get_text(borrowed, "how"), "similar") == 0
                   ? borrowed_similar_columns : borrowed_parent_columns);

    if (json_object_get(borrowed, "shape")) {
        borrowed_picture(ctl, json_object_get(borrowed, "shape"));
    }
}


static void
borrowed_picture(shardctl_t *ctl, const json_t *shape)
{
    int     y, full;
    char    label[24];
    double  max, part;
    size_t  i;

    static const char *const  blocks[] = {
        " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"
    };

    max = 0;

    for (i = 0; i < BORROWED_HOURS; i++) {
        max = fmax(max, json_number_value(json_array_get(shape, i)));
    }

    if (!(max > 0)) {
        return;
    }

    printf("\nthe borrowed day, requests/s by hour (UTC):\n\n");

    for (y = BORROWED_HEIGHT - 1; y >= 0; y--) {
        label[0] = '\0';

        if (y == BORROWED_HEIGHT - 1) {
            snprintf(label, sizeof(label), "%.4g", max);
        }

        printf("%*s ", BORROWED_LABEL, label);

        for (i = 0; i < BORROWED_HOURS; i++) {
            part = json_number_value(json_array_get(shape, i)) / max
                   * BORROWED_HEIGHT - y;
            full = (int) lround(8 * fmin(fmax(part, 0), 1));

            shardctl_put(ctl, SHARDCTL_GREEN, ctl->utf8 ? blocks[full]
                                              : full >= 4 ? "#" : " ");
            shardctl_put(ctl, SHARDCTL_GREEN, ctl->utf8 ? blocks[full]
                                              : full >= 4 ? "#" : " ");
        }

        printf("\n");
    }

    printf("%*s 0           6           12          18        23\n\n",
           BORROWED_LABEL, "");
}
