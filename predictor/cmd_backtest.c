
#include <stdio.h>
#include <string.h>

#include "backtest.h"
#include "predictor.h"


static int predictor_backtest_all(predictor_backtest_t *b);


int
predictor_cmd_backtest(int argc, char **argv)
{
    int                   rc;
    predictor_backtest_t  b;

    memset(&b, 0, sizeof(predictor_backtest_t));

    switch (predictor_backtest_args(argc, argv, &b)) {

    case SHARD_OK:
        rc = predictor_backtest_all(&b);
        break;

    case SHARD_AGAIN:
        predictor_backtest_usage();
        rc = 0;
        break;

    default:
        fputs("try \"shard-predictor backtest --help\"\n", stderr);
        rc = 2;
        break;
    }

    predictor_backtest_free(&b);

    return rc;
}


static int
predictor_backtest_all(predictor_backtest_t *b)
{
    int  rc;

    rc = predictor_backtest_load(b);

    if (rc == 0 && b->only) {
        rc = predictor_backtest_only(b);
    }

    if (rc == 0) {
        rc = predictor_backtest_also(b);
    }

    if (rc == 0) {
        rc = predictor_backtest_share(b);
    }

    if (rc == 0) {
        rc = predictor_backtest_run(b);
    }

    if (rc == 0 && b->csv) {
        rc = predictor_backtest_rows(b);
    }

    if (rc == 0 && b->plot) {
        rc = predictor_backtest_plot(b);
    }

    if (rc == 0) {
        rc = b->json ? predictor_backtest_json(b)
                     : predictor_backtest_table(b);
    }

    if (rc == 0 && b->left_out) {
        fprintf(stderr, "shard-predictor: %u of %u files left out\n",
                b->left_out, b->nfiles);
        rc = 2;
    }

    return rc;
}
