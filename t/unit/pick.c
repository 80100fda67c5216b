
/* who answers: rows of what is wished for, and one attempt after the other */

#include "../lib/pick_case.h"


typedef struct {
    const char  *text;
    const char  *expected;
} row_t;


/*
 * "VERB STRATEGY CONSISTENCY PHASE METHOD WORD...": nodes are 1 (primary), 2
 * 3 4 (standbys), 5 (target), 6 7.  Words: xN dead, dN draining, tN tried,
 * yR shy replica, crossed, missed, fresh, near=A,B,C,D, one (standby only).
 *
 * Expected: nodes in order with their role, "!" for one that stands in.
 */

static const row_t  rows[] = {

    /* steady: the owner; who stands in for it depends on the question */

    { "- log strong steady GET", "1p 2s! 3s! 4s! unsent" },
    { "- log strong steady PUT", "1p unsent" },
    { "- log eventual steady GET", "1p 2s 3s 4s" },
    { "- log eventual steady PUT", "1p" },
    { "- cow strong steady PUT", "1p unsent" },
    { "- queue strong steady GET", "1p 2s! 3s! 4s! unsent" },
    { "- stateless strong steady PUT", "1p 2s! 3s! 4s!" },

    { "- log strong steady GET x1", "2s! 3s! 4s! unsent" },
    { "- log strong steady GET x1 x2", "3s! 4s! unsent" },
    { "- log strong steady GET x1 fresh", "wait" },
    { "- log strong steady GET fresh", "1p unsent" },
    { "- log strong steady PUT x1", "wait" },
    { "- log eventual steady PUT x1", "wait" },
    { "- log eventual steady GET x1", "2s! 3s! 4s!" },
    { "- log eventual steady GET x1 fresh", "2s! 3s! 4s!" },
    { "- stateless strong steady PUT x1", "2s! 3s! 4s!" },
    { "- log strong steady PUT x1 one x2", "none" },
    { "- log strong steady GET x1 one x2", "none" },
    { "- log strong steady GET x1 fresh one x2", "none" },
    { "- log eventual steady GET x1 x2 x3 x4", "none" },
    { "- log strong steady PUT x1 x2 x3 x4", "none" },

    /* draining: asked by those who have no choice */

    { "- log strong steady GET d1 one", "1p 2s! unsent" },
    { "- log strong steady PUT d1", "1p unsent" },
    { "- log eventual steady GET d1", "2s 3s 4s 1p" },
    { "- log eventual steady GET d1 d3 one", "2s 1p" },
    { "- log eventual steady GET d1 x2 one", "1p!" },
    { "- log eventual steady GET y0 one", "2s 1p" },

    /* near: by distance, the draining ones last all the same */

    { "- log eventual steady GET near=5,3,9,1", "4s 2s 1p 3s" },
    { "- log eventual steady GET near=5,3,9,1 d4", "2s 1p 3s 4s" },
    { "- log eventual steady GET near=5,3,9,1 x4", "2s! 1p! 3s!" },
    { "- log eventual steady GET near=5,3,9,1 t4", "2s! 1p! 3s!" },
    { "- log eventual steady GET near=0,1000,1000,65535 one", "1p 2s" },
    { "- log eventual steady PUT near=5,3,9,1", "1p" },
    { "- log strong steady GET near=5,3,9,1 one", "1p 2s! unsent" },

    /* the next attempt */

    { "- log eventual steady GET t1", "2s! 3s! 4s!" },
    { "- log eventual steady GET t1 t2 t3 t4", "none" },
    { "- log strong steady GET t1 one", "2s! unsent" },

    /* shifts */

    { "- stateless strong shift GET one", "1p 5t! 2s! " },
    { "- stateless strong shift PUT one", "1p 5t! 2s!" },
    { "- stateless strong shift PUT crossed one", "5t 1p! 2s!" },
    { "- stateless strong shift PUT crossed x5 one", "1p! 2s!" },
    { "- stateless strong shift PUT x1 one", "5t! 2s!" },
    { "- log strong shift GET crossed one", "1p 2s! unsent" },
    { "- log strong shift PUT crossed", "1p unsent" },
    { "- log eventual shift GET one", "1p 2s" },
    { "- log eventual shift GET crossed one", "5t 1p 2s" },
    { "- log eventual shift GET crossed x5 one", "1p! 2s!" },
    { "- log eventual shift PUT crossed", "1p" },
    { "- log eventual shift PUT crossed x1", "wait" },
    { "- log eventual shift GET crossed near=9,1,0,0 one", "5t 2s 1p" },
    { "- queue strong shift GET crossed one", "1p 2s! unsent" },
    { "- queue strong shift PUT crossed", "1p unsent" },
    { "- queue eventual shift GET crossed one", "1p 2s" },

    /* copy-on-write: writes to the target, what it misses is the source's */

    { "- cow strong shift PUT", "5t unsent" },
    { "- cow strong shift PUT crossed", "5t unsent" },
    { "- cow strong shift PUT x5", "wait" },
    { "- cow strong shift PUT x1", "5t unsent" },
    { "- cow strong shift GET one", "5t 1p 2s! miss unsent" },
    { "- cow strong shift GET missed t5 one", "1p 2s! unsent" },
    { "- cow strong shift GET missed t5 x1 one", "2s! unsent" },
    { "- cow strong shift GET missed t5 x1 x2 one", "1p unsent" },
    { "- cow strong shift GET x5 one", "1p! 2s! unsent" },
    { "- cow strong shift GET t5 one", "1p! 2s! unsent" },
    { "- cow strong shift GET x5 fresh one", "wait" },
    { "- cow strong shift GET fresh one", "5t 1p miss unsent" },
    { "- cow strong shift GET missed t5 fresh one", "1p unsent" },
    { "- cow strong shift GET x1 one", "5t 2s! miss unsent" },
    { "- cow strong shift GET x1 x2 one", "5t 1p miss unsent" },
    { "- cow strong shift GET x1 x2 x5 one", "none" },
    { "- cow eventual shift GET near=9,1,0,0 one", "5t 2s 1p miss" },
    { "- cow eventual shift GET missed t5 near=9,1,0,0 one", "2s 1p" },

    /* overrides */

    { "drain log strong steady GET one", "2s 1p unsent" },
    { "drain log strong steady PUT one", "2s unsent" },
    { "drain log strong steady PUT x2 one", "1p! unsent" },
    { "drain log strong steady PUT x2", "1p! unsent" },
    { "drain log strong steady GET x1 x2", "3s! 4s! unsent" },
    { "drain log strong steady PUT x1 x2", "wait" },
    { "drain log strong steady PUT x1 x2 one", "none" },
    { "pin3 log strong steady PUT", "3s unsent" },
    { "pin3 log strong steady GET x3", "2s! 4s! unsent" },
    { "pin6 log strong steady PUT", "6t unsent" },
    { "pin6 log strong steady GET x6 one", "2s! unsent" },
    { "pin6 log strong steady PUT x6 one", "wait" },
    { "pin1 log strong steady PUT", "1p unsent" },
    { "split log strong steady PUT", "1p unsent" },
    { "split log strong steady GET x1 one", "2s! 6t! 7t! unsent" },
    { "split log strong steady PUT x1 one", "wait" },
    { "split stateless strong steady PUT x1 one", "2s! 6t! 7t!" },
};


static int
number(const char *text)
{
    return text[0] - '0';
}


static void
set_verb(const char *verb, shard_route_t *route)
{
    uint16_t  node;

    static const uint16_t  nodes[] = { PRIMARY, 2, 6, 7 };
    static const uint16_t  bp[] = { 9997, 1, 1, 1 };

    if (strcmp(verb, "drain") == 0) {
        route->flags |= SHARD_ROUTE_DRAIN;

    } else if (strcmp(verb, "split") == 0) {
        shard_route_split(route, nodes, bp, 4);

    } else if (strncmp(verb, "pin", 3) == 0) {
        node = (uint16_t) number(verb + 3);
        route->flags |= node == route->primary ? 0 : SHARD_ROUTE_MOVED;
        route->primary = node;
    }
}


static void
set_word(const char *word, shard_route_t *route, shard_wish_t *wish,
    uint16_t *tried)
{
    unsigned  a, b, c, d;

    if (strcmp(word, "crossed") == 0) {
        route->shift_bp = SHARD_BP_ALL;

    } else if (strcmp(word, "missed") == 0) {
        wish->flags |= SHARD_WISH_MISSED;

    } else if (strcmp(word, "fresh") == 0) {
        wish->flags |= SHARD_WISH_FRESH;

    } else if (strcmp(word, "one") == 0) {
        route->standbys[1] = SHARD_NODE_NONE;
        route->standbys[2] = SHARD_NODE_NONE;

    } else if (sscanf(word, "near=%u,%u,%u,%u", &a, &b, &c, &d) == 4) {
        wish->flags |= SHARD_WISH_NEAR;
        wish->distance[0] = (uint16_t) a;
        wish->distance[1] = (uint16_t) b;
        wish->distance[2] = (uint16_t) c;
        wish->distance[3] = (uint16_t) d;

    } else if (word[0] == 'x') {
        node_flags[number(word + 1)] |= SHARD_FLAG_DEAD;

    } else if (word[0] == 'd') {
        node_flags[number(word + 1)] |= SHARD_FLAG_DRAINING;

    } else if (word[0] == 't') {
        tried[wish->ntried++] = (uint16_t) number(word + 1);

    } else if (word[0] == 'y') {
        wish->shy |= (uint8_t) (1 << number(word + 1));
    }
}


static void
print_pick(const shard_pick_t *pick, char *text)
{
    unsigned  i;

    text[0] = '\0';

    if (pick->verdict != SHARD_PICK_GO) {
        strcpy(text, pick->verdict == SHARD_PICK_WAIT ? "wait" : "none");
        return;
    }

    for (i = 0; i < pick->n; i++) {
        text += sprintf(text, "%s%u%c%s", i ? " " : "", pick->list[i].node,
                        "pst"[pick->list[i].role],
                        pick->list[i].failover ? "!" : "");
    }

    text += sprintf(text, "%s", pick->flags & SHARD_PICK_MISS ? " miss" : "");
    sprintf(text, "%s", pick->flags & SHARD_PICK_UNSENT ? " unsent" : "");
}


/* that a list's later ones stand in is told when they are picked, not before */

static void
strip(const char *from, char *to)
{
    for ( /* void */ ; *from; from++) {
        if (*from != '!') {
            *to++ = *from;
        }
    }

    while (to[-1] == ' ') {
        to--;
    }

    *to = '\0';
}


static void
test_row(const row_t *row)
{
    char           text[128], got[128], want[2][130], *word, *verb, *save;
    uint16_t       tried[SHARD_CANDIDATES_MAX];
    unsigned       n;
    shard_pick_t   pick;
    shard_wish_t   wish;
    shard_route_t  route;

    static const char *const  strategies[] = { "stateless", "cow", "log",
                                               "queue" };

    route_init(&route);
    wish_init(&wish, tried);
    strcpy(text, row->text);
    verb = NULL;
    save = NULL;

    for (n = 0, word = strtok_r(text, " ", &save); word;
         n++, word = strtok_r(NULL, " ", &save))
    {
        switch (n) {

        case 0:
            verb = word;
            break;

        case 1:
            while (strcmp(strategies[route.strategy], word) != 0) {
                route.strategy = (route.strategy + 1) & 3;
            }

            break;

        case 2:
            route.flags |= word[0] == 'e' ? SHARD_ROUTE_EVENTUAL : 0;
            break;

        case 3:
            if (word[1] == 'h') {
                route.phase = SHARD_SHIFTING;
                route.target = TARGET;
            }

            break;

        case 4:
            wish.flags |= word[0] == 'G' ? SHARD_WISH_READ : 0;
            break;

        default:
            set_word(word, &route, &wish, tried);
        }
    }

    set_verb(verb, &route);
    shard_pick(&route, &wish, &pick);
    print_pick(&pick, got);

    want[0][0] = want[1][0] = '\0';
    strip(got, want[0] + 1);
    strip(row->expected, want[1] + 1);

    tap_is_str(want[0] + 1, want[1] + 1, "%s", row->text);

    if (pick.verdict == SHARD_PICK_GO) {
        tap_is_int(pick.list[0].failover, row->expected[2] == '!',
                   "%s: who stands in says so", row->text);
    }
}


/* attempt after attempt: the list, one by one */

static void
test_attempts(uint64_t *seed)
{
    unsigned       i, k, wrong;
    uint16_t       tried[SHARD_CANDIDATES_MAX];
    shard_pick_t   all, pick;
    shard_wish_t   wish;
    shard_route_t  route;

    wrong = 0;

    for (i = 0; i < 2000; i++) {
        route_init(&route);
        wish_init(&wish, tried);
        route.flags = SHARD_ROUTE_EVENTUAL;
        route.strategy = i % 4;
        wish.flags = SHARD_WISH_READ|SHARD_WISH_NEAR;
        wish.sticky = tap_random(seed);

        for (k = 1; k <= 4; k++) {
            node_flags[k] = tap_random(seed) % 4 ? 0 : SHARD_FLAG_DEAD;
            wish.distance[k - 1] = (uint16_t) (tap_random(seed) % 2);
        }

        shard_pick(&route, &wish, &all);

        for (k = 0; k < all.n; k++) {
            shard_pick(&route, &wish, &pick);
            wrong += pick.n == 0 || pick.list[0].node != all.list[k].node;
            tried[wish.ntried++] = all.list[k].node;
        }

        shard_pick(&route, &wish, &pick);
        wrong += pick.verdict != SHARD_PICK_NONE;
    }

    tap_is_int(wrong, 0, "each attempt goes to the next of the list");
}


int
main(void)
{
    size_t    i;
    uint64_t  seed;

    seed = tap_seed(20261125);

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        test_row(&rows[i]);
    }

    test_attempts(&seed);

    return tap_done();
}
