
#include <string.h>

#include "shard_policy.h"
#include "shard_text.h"


static int shard_policy_set_distances(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
static int shard_policy_set_pair(shard_policy_work_t *work, shard_str_t pair,
    uint16_t distance, char *err);
static int shard_policy_split(shard_str_t pair, shard_str_t *zone);
static void shard_policy_forget(shard_policy_t *policy, unsigned n);


static const shard_json_field_t  shard_policy_fields[] = {

    { "mirror", 0, shard_json_set_uint16,
      offsetof(shard_policy_work_t, policy.mirror_bp), SHARD_BP_ALL, NULL },

    { "zone_distance", 0, shard_policy_set_distances, 0, UINT16_MAX, NULL },

    { NULL, 0, NULL, 0, 0, NULL }
};


void
shard_policy_init(shard_policy_t *policy)
{
    unsigned  i;

    memset(policy, 0, sizeof(shard_policy_t));

    for (i = 0; i < SHARD_ZONES_MAX; i++) {
        shard_policy_forget(policy, i);
    }
}


/* a free place: far from everything, near to itself */

static void
shard_policy_forget(shard_policy_t *policy, unsigned n)
{
    unsigned  i;

    memset(policy->zone[n], 0, SHARD_NAME_SIZE);

    for (i = 0; i < SHARD_ZONES_MAX; i++) {
        policy->distance[n][i] = SHARD_DISTANCE_UNKNOWN;
        policy->distance[i][n] = SHARD_DISTANCE_UNKNOWN;
    }

    policy->distance[n][n] = 0;
}


int
shard_policy_decode(shard_str_t json, shard_policy_work_t *work,
    shard_policy_t *out, char *err)
{
    shard_policy_init(&work->policy);
    memset(work->named, 0, sizeof(work->named));

    if (json.len == 0) {
        *out = work->policy;
        return SHARD_OK;
    }

    if (shard_json_parse_large(&work->json, json, SHARD_POLICY_MAX,
                               work->token, SHARD_POLICY_TOKENS, err)
        != SHARD_OK
        || shard_json_bind(&work->json, shard_policy_fields, work, err)
           != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    *out = work->policy;

    return SHARD_OK;
}


static int
shard_policy_set_distances(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    int          i, last;
    uint64_t     distance;
    shard_str_t  pair;

    if (json->token[value].type != JSMN_OBJECT) {
        pair = shard_json_text(json, value);
        return shard_refuse(err, "field \"%s\" is not an object: %q",
                            field->name, &pair);
    }

    last = shard_json_next(json, value);

    for (i = value + 1; i < last; i = shard_json_next(json, i + 1)) {
        pair = shard_json_text(json, i);

        if (shard_json_uint(json, i + 1, field, &distance, err) != SHARD_OK
            || shard_policy_set_pair(dst, pair, (uint16_t) distance, err)
               != SHARD_OK)
        {
            return SHARD_ERROR;
        }
    }

    return SHARD_OK;
}


static int
shard_policy_set_pair(shard_policy_work_t *work, shard_str_t pair,
    uint16_t distance, char *err)
{
    unsigned     a, b;
    shard_str_t  zone[2];

    if (shard_policy_split(pair, zone) != SHARD_OK) {
        return shard_refuse(err, "%q of \"zone_distance\" is not two zones "
                            "with a space between", &pair);
    }

    a = shard_policy_zone_add(&work->policy, zone[0]);
    b = shard_policy_zone_add(&work->policy, zone[1]);

    if (a == SHARD_ZONE_NONE || b == SHARD_ZONE_NONE) {
        return shard_refuse(err, "\"zone_distance\" names more than %u zones "
                            "at %q", (unsigned) SHARD_ZONES_MAX, &pair);
    }

    if (a == b) {
        return shard_refuse(err, "%q of \"zone_distance\" is one zone twice, "
                            "whose distance is 0", &pair);
    }

    if (work->named[a] >> b & 1) {
        return shard_refuse(err, "%q of \"zone_distance\" is there twice, "
                            "either way round", &pair);
    }

    work->named[a] |= (uint64_t) 1 << b;
    work->named[b] |= (uint64_t) 1 << a;

    work->policy.distance[a][b] = distance;
    work->policy.distance[b][a] = distance;

    return SHARD_OK;
}


static int
shard_policy_split(shard_str_t pair, shard_str_t *zone)
{
    const char  *space;

    space = memchr(pair.data, ' ', pair.len);

    if (space == NULL) {
        return SHARD_ERROR;
    }

    zone[0].data = pair.data;
    zone[0].len = (size_t) (space - pair.data);
    zone[1].data = space + 1;
    zone[1].len = pair.len - zone[0].len - 1;

    return shard_name_valid(zone[0]) && shard_name_valid(zone[1])
           ? SHARD_OK : SHARD_ERROR;
}


unsigned
shard_policy_zone(const shard_policy_t *policy, shard_str_t name)
{
    unsigned  i;

    if (name.len == 0 || name.len >= SHARD_NAME_SIZE) {
        return SHARD_ZONE_NONE;
    }

    for (i = 0; i < policy->nzones && i < SHARD_ZONES_MAX; i++) {
        if (memcmp(policy->zone[i], name.data, name.len) == 0
            && policy->zone[i][name.len] == '\0')
        {
            return i;
        }
    }

    return SHARD_ZONE_NONE;
}


unsigned
shard_policy_zone_add(shard_policy_t *policy, shard_str_t name)
{
    unsigned  i;

    i = shard_policy_zone(policy, name);

    if (i != SHARD_ZONE_NONE || !shard_name_valid(name)) {
        return i;
    }

    for (i = 0; i < SHARD_ZONES_MAX; i++) {
        if (policy->zone[i][0] == '\0') {
            break;
        }
    }

    if (i == SHARD_ZONES_MAX) {
        return SHARD_ZONE_NONE;
    }

    memcpy(policy->zone[i], name.data, name.len);

    if (i >= policy->nzones) {
        policy->nzones = (uint16_t) (i + 1);
    }

    return i;
}


void
shard_policy_replace(shard_policy_t *policy, const shard_policy_t *from,
    uint64_t keep)
{
    unsigned     i, k;
    unsigned     number[SHARD_ZONES_MAX];
    shard_str_t  name;

    policy->mirror_bp = from->mirror_bp;

    for (i = 0; i < SHARD_ZONES_MAX; i++) {
        name = shard_text_array(policy->zone[i], SHARD_NAME_SIZE);

        if (!(keep >> i & 1)
            && shard_policy_zone(from, name) == SHARD_ZONE_NONE)
        {
            shard_policy_forget(policy, i);
        }
    }

    for (i = 0; i < SHARD_ZONES_MAX; i++) {
        for (k = 0; k < SHARD_ZONES_MAX; k++) {
            policy->distance[i][k] = i == k ? 0 : SHARD_DISTANCE_UNKNOWN;
        }
    }

    for (i = 0; i < from->nzones; i++) {
        name = shard_text_array(from->zone[i], SHARD_NAME_SIZE);
        number[i] = shard_policy_zone_add(policy, name);
    }

    for (i = 0; i < from->nzones; i++) {
        for (k = 0; k < from->nzones; k++) {
            if (number[i] != SHARD_ZONE_NONE && number[k] != SHARD_ZONE_NONE) {
                policy->distance[number[i]][number[k]] = from->distance[i][k];
            }
        }
    }
}
