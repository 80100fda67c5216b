
/*
 * What is answered, and how it becomes an MHD response.
 */


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "shardkv.h"


static struct MHD_Response *shardkv_error_response(shardkv_answer_t *a);


void
shardkv_answer_reset(shardkv_answer_t *a)
{
    free(a->body);
    memset(a, 0, offsetof(shardkv_answer_t, message));
}


void
shardkv_refuse(shardkv_answer_t *a, unsigned status, const char *code,
    const char *fmt, ...)
{
    va_list  args;

    a->status = status;
    a->code = code;

    va_start(args, fmt);
    vsnprintf(a->message, sizeof(a->message), fmt, args);
    va_end(args);
}


/* a refusal that says where the shard stands */

void
shardkv_refuse_at(shardkv_answer_t *a, unsigned status, const char *code,
    uint64_t position, const char *message)
{
    shardkv_refuse(a, status, code, "%s", message);

    a->has_position = 1;
    a->position = position;
}


void
shardkv_done(shardkv_answer_t *a, unsigned status)
{
    a->status = status;
    a->code = NULL;
}


void
shardkv_done_at(shardkv_answer_t *a, unsigned status, uint64_t position)
{
    shardkv_done(a, status);

    a->has_position = 1;
    a->position = position;
}


void
shardkv_broken(shardkv_answer_t *a, const char *where, int rc)
{
    shardkv_refuse(a, 500, "store", "the store failed in a %s: %s", where,
                   mdb_strerror(rc));
}


/* 200 with a short JSON text that holds no strings of others */

void
shardkv_json(shardkv_answer_t *a, const char *fmt, ...)
{
    int      len;
    char     buf[768];
    va_list  args;

    va_start(args, fmt);
    len = vsnprintf(buf, sizeof(buf), fmt, args);
    va_end(args);

    a->body = (len < (int) sizeof(buf)) ? strdup(buf) : NULL;

    if (a->body == NULL) {
        shardkv_refuse(a, 500, "no_memory", "no memory");
        return;
    }

    a->status = 200;
    a->type = "application/json";
    a->len = (size_t) len;
}


static struct MHD_Response *
shardkv_error_response(shardkv_answer_t *a)
{
    char    *text;
    json_t  *obj;

    obj = json_pack("{s:{s:s,s:s}}", "error", "code", a->code, "message",
                    a->message);

    if (obj && a->has_position) {
        json_object_set_new(obj, "position",
                            json_integer((json_int_t) a->position));
    }

    text = obj ? json_dumps(obj, JSON_COMPACT) : NULL;
    json_decref(obj);

    if (text == NULL) {
        return NULL;
    }

    a->type = "application/json";

    return MHD_create_response_from_buffer(strlen(text), text,
                                           MHD_RESPMEM_MUST_FREE);
}


enum MHD_Result
shardkv_send(shardkv_request_t *r)
{
    char                  buf[24];
    enum MHD_Result       rc;
    shardkv_answer_t     *a;
    struct MHD_Response  *response;

    a = &r->answer;

    if (a->code) {
        response = shardkv_error_response(a);

    } else if (r->response) {
        response = r->response;
        r->response = NULL;

    } else if (a->body) {
        response = MHD_create_response_from_buffer(a->len, a->body,
                                                   MHD_RESPMEM_MUST_FREE);
        a->body = response ? NULL : a->body;

    } else {
        response = MHD_create_response_from_buffer(0, (void *) "",
                                                   MHD_RESPMEM_PERSISTENT);
    }

    if (response == NULL) {
        return MHD_NO;
    }

    if (a->type) {
        MHD_add_response_header(response, "Content-Type", a->type);
    }

    if (a->has_position) {
        snprintf(buf, sizeof(buf), "%llu", (unsigned long long) a->position);
        MHD_add_response_header(response, "X-Shard-Position", buf);
    }

    if (a->status == 503) {
        MHD_add_response_header(response, "Retry-After", "1");
    }

    rc = MHD_queue_response(r->connection, a->status, response);
    MHD_destroy_response(response);

    return rc;
}
