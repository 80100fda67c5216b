
/*
 * policy get, policy set: the keyspace's policy, one JSON object that every
 * program reads its own fields of.  What one of them would refuse is not
 * written.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard_load.h"
#include "shard_terms.h"
#include "../predictor/resize_policy.h"
#include "shardctl.h"


/* what is there now: an empty object when there is none */

static int
policy_load(shardctl_t *ctl, json_t **policy)
{
    int        rc;
    char      *text;
    uint64_t   version;

    rc = shardd_version(&ctl->store, &version);

    if (rc != SHARDD_OK) {
        return shardctl_store_fail(ctl, rc, "cannot read the version");
    }

    if (version == 0) {
        snprintf(ctl->store.err, SHARDD_ERR_SIZE, "there is no table");
        return shardctl_store_fail(ctl, SHARDD_NONE, "cannot read the policy");
    }

    text = NULL;
    rc = shardd_hash_get(&ctl->store, "meta", "policy", &text);

    if (rc != SHARDD_OK && rc != SHARDD_NONE) {
        return shardctl_store_fail(ctl, rc, "cannot read the policy");
    }

    *policy = text ? shardctl_json(text) : json_object();
    free(text);

    if (!json_is_object(*policy)) {
        json_decref(*policy);
        return shardctl_fail(ctl, "the policy that is there is no JSON "
                             "object: \"policy set --replace\" writes another "
                             "one");
    }

    return SHARDCTL_OK;
}


/* what the predictor makes of "load": beside the policy, which is JSON that
 * may be set again */

static void
policy_load_in_force(shardctl_t *ctl)
{
    char        *text, more[512];
    json_t      *load, *weights, *weight;
    const char  *name, *why, *sign;

    text = NULL;

    if (shardd_hash_get(&ctl->store, "predictor", "load", &text) != SHARDD_OK)
    {
        return;
    }

    load = shardctl_json(text);
    weights = json_object_get(load, "weights");
    free(text);

    if (json_object_size(weights)) {
        fprintf(stderr, "load in force: ");
        sign = "";

        json_object_foreach(weights, name, weight) {
            fprintf(stderr, "%s%g x %.20s", sign, json_number_value(weight),
                    name);
            sign = " + ";
        }

        why = shardctl_get_text(load, "why");
        more[0] = '\0';

        if (json_is_number(json_object_get(load, "r2"))) {
            snprintf(more, sizeof(more), ", R^2 %.2f, %.0f%% of CPU without "
                     "load", shardctl_get_number(load, "r2"),
                     100 * shardctl_get_number(load, "base"));
        }

        fprintf(stderr, " (%.20s%s%s%.300s)\n", shardctl_get_text(load, "from"),
                more, why[0] ? ": " : "", why);
    }

    json_decref(load);
}


/* a policy that was not written by "policy set" may be one that plans do not
 * heed */

static void
policy_terms_in_force(json_t *policy)
{
    char                 *text, err[SHARD_ERR_SIZE];
    shard_str_t           json;
    shard_terms_t         terms;
    shard_policy_work_t  *work;

    work = malloc(sizeof(shard_policy_work_t));
    text = json_dumps(policy, JSON_COMPACT|JSON_PRESERVE_ORDER);

    if (work && text) {
        json.data = text;
        json.len = strlen(text);

        if (shard_terms_decode(json, work, &terms, err) != SHARD_OK) {
            fprintf(stderr, "plan: not heeded, the predictor keeps to the one "
                    "before: %s\n", err);
        }
    }

    free(text);
    free(work);
}


int
shardctl_cmd_policy_get(shardctl_t *ctl)
{
    int      rc;
    char    *text;
    json_t  *policy;

    rc = shardctl_open(ctl);

    if (rc == SHARDCTL_OK) {
        rc = policy_load(ctl, &policy);
    }

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    if (ctl->json) {
        return shardctl_show(ctl, policy);
    }

    text = json_dumps(policy, JSON_INDENT(4)|JSON_PRESERVE_ORDER);

    if (text == NULL) {
        json_decref(policy);
        return shardctl_fail(ctl, "no memory");
    }

    printf("%s\n", text);
    (void) shardctl_flush();
    free(text);
    policy_load_in_force(ctl);
    policy_terms_in_force(policy);
    json_decref(policy);

    return SHARDCTL_OK;
}


/* the text of the argument or of the file, "-" is standard input */

static int
policy_text(shardctl_t *ctl, char *buf, size_t size)
{
    FILE        *file;
    size_t       n;
    const char  *path;

    path = shardctl_option(ctl, "file");

    if ((path != NULL) == (ctl->nargs == 1)) {
        return shardctl_usage(ctl, "either the JSON or --file FILE is needed");
    }

    if (path == NULL) {
        n = strlen(ctl->args[0]);

        if (n >= size) {
            return shardctl_usage(ctl, "a policy has at most %d bytes",
                                  SHARD_POLICY_MAX);
        }

        memcpy(buf, ctl->args[0], n + 1);

        return SHARDCTL_OK;
    }

    file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");

    if (file == NULL) {
        return shardctl_fail(ctl, "cannot open \"%s\": %m", path);
    }

    n = fread(buf, 1, size, file);

    if (file != stdin) {
        fclose(file);
    }

    if (n == size || memchr(buf, '\0', n) != NULL) {
        return shardctl_fail(ctl, "\"%s\" is no policy: JSON text of at most "
                             "%d bytes is needed", path, SHARD_POLICY_MAX);
    }

    buf[n] = '\0';

    return SHARDCTL_OK;
}


/* as the routers and the predictor read it */

static int
policy_check(shardctl_t *ctl, const char *text)
{
    int                   rc;
    char                  err[SHARD_ERR_SIZE];
    shard_str_t           json;
    shard_load_t          load;
    shard_terms_t         terms;
    shard_policy_t        policy;
    shard_policy_work_t  *work;
    predictor_resize_policy_t  shards;

    work = malloc(sizeof(shard_policy_work_t));

    if (work == NULL) {
        return shardctl_fail(ctl, "no memory");
    }

    json.data = text;
    json.len = strlen(text);

    if (json.len == 0) {
        snprintf(err, sizeof(err), "it is empty (\"{}\" is a policy without "
                 "fields)");
        rc = SHARD_ERROR;

    } else {
        rc = shard_policy_decode(json, work, &policy, err);
    }

    if (rc == SHARD_OK) {
        rc = shard_load_decode(json, work, &load, err);
    }

    if (rc == SHARD_OK) {
        predictor_resize_policy_init(&shards);
        rc = predictor_resize_policy_decode(json, work, &shards, err);
    }

    if (rc == SHARD_OK) {
        rc = shard_terms_decode(json, work, &terms, err);
    }

    free(work);

    return rc == SHARD_OK ? SHARDCTL_OK
                          : shardctl_usage(ctl, "policy: %s", err);
}


/* fields that are given over those that are there, null takes one away */

static json_t *
policy_merge(json_t *policy, json_t *given)
{
    void        *next;
    json_t      *value;
    const char  *name;

    json_object_foreach_safe(given, next, name, value) {

        if (json_is_null(value)) {
            json_object_del(policy, name);

        } else {
            json_object_set(policy, name, value);
        }
    }

    return policy;
}


static int
policy_commit(shardctl_t *ctl, const shardd_claim_t *claim, json_t *policy,
    uint64_t *version)
{
    int              rc;
    char            *text, operation[SHARD_NAME_SIZE + 48];
    shardd_change_t  change;

    text = json_dumps(policy, JSON_COMPACT|JSON_PRESERVE_ORDER);

    if (text == NULL) {
        return shardctl_fail(ctl, "no memory");
    }

    rc = policy_check(ctl, text);

    if (rc == SHARDCTL_OK) {
        change.kind = "meta";
        change.id = "policy";
        change.json = text;

        snprintf(operation, sizeof(operation), "%s-%llu", claim->holder,
                 (unsigned long long) claim->token);

        /* nobody else writes the policy while we have the claim */

        *version = UINT64_MAX;
        rc = shardd_commit(&ctl->store, claim, version, operation,
                           shardctl_by(), &change, 1);

        if (rc != SHARDD_OK) {
            rc = shardctl_store_fail(ctl, rc, "cannot write the policy");
        }
    }

    free(text);

    return rc;
}


static int
policy_set(shardctl_t *ctl, json_t *given, uint64_t *version)
{
    int              rc;
    char             holder[SHARD_NAME_SIZE];
    json_t          *policy;
    shardd_claim_t   claim;

    rc = shardctl_open(ctl);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    shardctl_holder(holder);

    rc = shardd_claim(&ctl->store, "keyspace", holder, SHARDCTL_CLAIM_MS,
                      &claim);

    if (rc != SHARDD_OK) {
        return shardctl_store_fail(ctl, rc, "cannot claim the keyspace");
    }

    if (shardctl_option(ctl, "replace")) {
        policy = json_incref(given);

    } else {
        rc = policy_load(ctl, &policy);

        if (rc == SHARDCTL_OK) {
            policy = policy_merge(policy, given);
        }
    }

    if (rc == SHARDCTL_OK) {
        rc = policy_commit(ctl, &claim, policy, version);
        json_decref(policy);
    }

    shardd_release(&ctl->store, &claim);

    return rc;
}


int
shardctl_cmd_policy_set(shardctl_t *ctl)
{
    int        rc;
    char      *text;
    json_t    *given;
    uint64_t   version;

    text = malloc(SHARD_POLICY_MAX + 1);

    if (text == NULL) {
        return shardctl_fail(ctl, "no memory");
    }

    rc = policy_text(ctl, text, SHARD_POLICY_MAX + 1);

    given = rc == SHARDCTL_OK ? shardctl_json(text) : NULL;
    free(text);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    if (!json_is_object(given)) {
        json_decref(given);
        return shardctl_usage(ctl, "a policy is a JSON object with each field "
                              "once, such as '{\"mirror\":100}'");
    }

    rc = policy_set(ctl, given, &version);
    json_decref(given);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    if (ctl->json) {
        return shardctl_show(ctl, json_pack("{s:s, s:I}", "outcome", "set",
                                            "version", (json_int_t) version));
    }

    printf("policy set, table version %llu\n", (unsigned long long) version);

    return SHARDCTL_OK;
}
