
#include <string.h>

#include "shard_codec.h"
#include "shard_codec_kind.h"
#include "shard_json.h"
#include "shard_text.h"


#define shard_nelts(a)        (sizeof(a) / sizeof((a)[0]))


static int shard_codec_set_standbys(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
static int shard_codec_consistent(const shard_record_t *rec, char *err);


static const char *const  shard_phases[] = {
    "steady", "shifting", "held", NULL
};

static const char *const  shard_strategies[] = {
    "stateless", "copy-on-write", "log-shipping", "queue", NULL
};

static const char *const  shard_consistencies[] = {
    "strong", "eventual", NULL
};

static const shard_json_field_t  shard_record_fields[] = {

    { "primary", 1, shard_json_set_name,
      offsetof(shard_record_t, primary), 0, NULL },

    { "standbys", 0, shard_codec_set_standbys,
      0, 0, NULL },

    { "epoch", 1, shard_json_set_uint32,
      offsetof(shard_record_t, epoch), UINT32_MAX, NULL },

    { "consistency", 0, shard_json_set_word,
      offsetof(shard_record_t, consistency), 0, shard_consistencies },

    { "strategy", 0, shard_json_set_word,
      offsetof(shard_record_t, strategy), 0, shard_strategies },

    { "phase", 0, shard_json_set_word,
      offsetof(shard_record_t, phase), 0, shard_phases },

    { "target", 0, shard_json_set_name,
      offsetof(shard_record_t, target), 0, NULL },

    { "shift", 0, shard_json_set_uint16,
      offsetof(shard_record_t, shift_bp), SHARD_BP_ALL, NULL },

    { "migration", 0, shard_json_set_hex,
      offsetof(shard_record_t, migration), 0, NULL },

    { NULL, 0, NULL, 0, 0, NULL }
};


const char *
shard_phase_name(shard_phase_e phase)
{
    return (unsigned) phase < shard_nelts(shard_phases) - 1
           ? shard_phases[phase] : "unknown";
}


const char *
shard_strategy_name(shard_strategy_e strategy)
{
    return (unsigned) strategy < shard_nelts(shard_strategies) - 1
           ? shard_strategies[strategy] : "unknown";
}


const char *
shard_consistency_name(shard_consistency_e consistency)
{
    return (unsigned) consistency < shard_nelts(shard_consistencies) - 1
           ? shard_consistencies[consistency] : "unknown";
}


int
shard_record_decode(shard_kind_e kind, shard_id_t id, shard_str_t json,
    shard_record_t *out, char *err)
{
    shard_json_t    parsed;
    shard_record_t  rec;

    memset(&rec, 0, sizeof(rec));
    rec.id = id;
    rec.kind = kind;
    rec.strategy = SHARD_LOG_SHIPPING;

    if (id == SHARD_ID_NONE) {
        return shard_refuse(err, "%u is not a shard id", id);
    }

    if (shard_json_parse(&parsed, json, err) != SHARD_OK
        || shard_codec_kind_bind(&parsed, &rec, err) != SHARD_OK
        || shard_json_bind(&parsed, shard_record_fields, &rec, err)
           != SHARD_OK
        || shard_codec_consistent(&rec, err) != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    *out = rec;

    return SHARD_OK;
}


static int
shard_codec_consistent(const shard_record_t *rec, char *err)
{
    unsigned  i, k;

    for (i = 0; i < rec->nstandbys; i++) {
        if (strcmp(rec->standbys[i], rec->primary) == 0) {
            return shard_refuse(err, "field \"standbys\" has the primary "
                                "\"%s\"", rec->primary);
        }

        for (k = 0; k < i; k++) {
            if (strcmp(rec->standbys[i], rec->standbys[k]) == 0) {
                return shard_refuse(err, "field \"standbys\" has \"%s\" "
                                    "twice", rec->standbys[i]);
            }
        }
    }

    if (strcmp(rec->target, rec->primary) == 0) {
        return shard_refuse(err, "\"target\" is the primary \"%s\"",
                            rec->primary);
    }

    if (rec->phase == SHARD_SHIFTING
        && (rec->target[0] == '\0' || rec->migration == 0))
    {
        return shard_refuse(err, "phase \"shifting\" without \"target\" and "
                            "\"migration\"");
    }

    return SHARD_OK;
}


static int
shard_codec_set_standbys(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    int              i, last;
    shard_str_t      text;
    shard_record_t  *rec;

    rec = dst;
    rec->nstandbys = 0;
    text = shard_json_text(json, value);

    if (json->token[value].type != JSMN_ARRAY) {
        return shard_refuse(err, "field \"standbys\" is not an array: %q",
                            &text);
    }

    last = shard_json_next(json, value);

    for (i = value + 1; i < last; i = shard_json_next(json, i)) {
        if (rec->nstandbys == SHARD_STANDBYS_MAX) {
            return shard_refuse(err, "field \"standbys\" has more than %u "
                                "nodes", (unsigned) SHARD_STANDBYS_MAX);
        }

        if (shard_json_set_name(json, i, field,
                                rec->standbys[rec->nstandbys], err)
            != SHARD_OK)
        {
            return SHARD_ERROR;
        }

        rec->nstandbys++;
    }

    return SHARD_OK;
}


int
shard_record_encode(const shard_record_t *rec, char *buf, size_t size)
{
    unsigned        i;
    char            err[SHARD_ERR_SIZE];
    char            migration[17];
    shard_str_t     json;
    shard_text_t    text;
    shard_record_t  check;

    if (rec->nstandbys > SHARD_STANDBYS_MAX) {
        return SHARD_ERROR;
    }

    shard_text_open(&text, buf, size);

    shard_text_add(&text, "{");
    shard_codec_kind_add(&text, rec);
    shard_text_add(&text, ",");
    shard_text_add_field(&text, "primary", rec->primary, SHARD_NAME_SIZE);
    shard_text_add(&text, ",\"standbys\":[");

    for (i = 0; i < rec->nstandbys; i++) {
        shard_text_add(&text, i ? ",\"" : "\"");
        shard_text_add_str(&text, shard_text_array(rec->standbys[i],
                                                   SHARD_NAME_SIZE));
        shard_text_add(&text, "\"");
    }

    shard_text_add(&text, "],\"epoch\":");
    shard_text_add_uint(&text, rec->epoch);
    shard_text_add(&text, ",\"consistency\":\"");
    shard_text_add(&text, shard_consistency_name(rec->consistency));
    shard_text_add(&text, "\",\"strategy\":\"");
    shard_text_add(&text, shard_strategy_name(rec->strategy));
    shard_text_add(&text, "\",\"phase\":\"");
    shard_text_add(&text, shard_phase_name(rec->phase));
    shard_text_add(&text, "\"");

    if (rec->target[0]) {
        shard_text_add(&text, ",");
        shard_text_add_field(&text, "target", rec->target, SHARD_NAME_SIZE);
    }

    if (rec->target[0] || rec->shift_bp) {
        shard_text_add(&text, ",\"shift\":");
        shard_text_add_uint(&text, rec->shift_bp);
    }

    if (rec->migration) {
        shard_text_add(&text, ",");
        shard_hex_encode(rec->migration, migration);
        shard_text_add_field(&text, "migration", migration,
                             sizeof(migration));
    }

    shard_text_add(&text, "}");

    if (text.full) {
        return SHARD_AGAIN;
    }

    json.data = buf;
    json.len = (size_t) (text.pos - buf);

    if (shard_record_decode(rec->kind, rec->id, json, &check, err) != SHARD_OK
        || check.nunits != rec->nunits)
    {
        return SHARD_ERROR;
    }

    return (int) json.len;
}
