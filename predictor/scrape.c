
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scrape.h"


typedef struct predictor_transfer_s  predictor_transfer_t;

struct predictor_transfer_s {
    CURL                  *easy;
    uint64_t               id;
    char                  *text;
    size_t                 len;
    size_t                 size;
    unsigned               large:1;
    char                   err[CURL_ERROR_SIZE];
    predictor_transfer_t  *next;
};

struct predictor_scrape_s {
    CURLM                 *multi;
    predictor_transfer_t  *all;
};


static size_t predictor_scrape_write(char *data, size_t size, size_t n,
    void *ctx);
static void predictor_scrape_end(predictor_scrape_t *s,
    predictor_transfer_t *t);


predictor_scrape_t *
predictor_scrape_create(void)
{
    predictor_scrape_t  *s;

    s = calloc(1, sizeof(predictor_scrape_t));

    if (s == NULL) {
        return NULL;
    }

    s->multi = curl_multi_init();

    if (s->multi == NULL) {
        free(s);
        return NULL;
    }

    curl_multi_setopt(s->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                      (long) PREDICTOR_SCRAPE_AT_ONCE);

    return s;
}


void
predictor_scrape_destroy(predictor_scrape_t *s)
{
    if (s == NULL) {
        return;
    }

    while (s->all) {
        predictor_scrape_end(s, s->all);
    }

    curl_multi_cleanup(s->multi);
    free(s);
}


static void
predictor_scrape_end(predictor_scrape_t *s, predictor_transfer_t *t)
{
    predictor_transfer_t  **link;

    for (link = &s->all; *link != t; link = &(*link)->next) {
        /* void */
    }

    *link = t->next;

    curl_multi_remove_handle(s->multi, t->easy);
    curl_easy_cleanup(t->easy);
    free(t->text);
    free(t);
}


int
predictor_scrape_ask(predictor_scrape_t *s, const char *url, long timeout_ms,
    uint64_t id)
{
    predictor_transfer_t  *t;

    t = calloc(1, sizeof(predictor_transfer_t));

    if (t == NULL) {
        return SHARD_ERROR;
    }

    t->id = id;
    t->easy = curl_easy_init();

    if (t->easy == NULL
        || curl_easy_setopt(t->easy, CURLOPT_URL, url) != CURLE_OK)
    {
        curl_easy_cleanup(t->easy);
        free(t);
        return SHARD_ERROR;
    }

    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, predictor_scrape_write);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->err);
    curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(t->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(t->easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(t->easy, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(t->easy, CURLOPT_USERAGENT, "shard-predictor");

    t->next = s->all;
    s->all = t;

    if (curl_multi_add_handle(s->multi, t->easy) != CURLM_OK) {
        predictor_scrape_end(s, t);
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


static size_t
predictor_scrape_write(char *data, size_t size, size_t n, void *ctx)
{
    char                  *text;
    size_t                 room;
    predictor_transfer_t  *t = ctx;

    n *= size;

    if (n > PREDICTOR_SCRAPE_MAX - t->len) {
        t->large = 1;
        return 0;
    }

    if (t->len + n > t->size) {
        room = t->size ? t->size * 2 : 16384;
        room = room < t->len + n ? t->len + n : room;
        text = realloc(t->text, room);

        if (text == NULL) {
            return 0;
        }

        t->text = text;
        t->size = room;
    }

    memcpy(t->text + t->len, data, n);
    t->len += n;

    return n;
}


static void
predictor_scrape_say(predictor_transfer_t *t, CURLcode result,
    predictor_scrape_pt each, void *data)
{
    char         why[CURL_ERROR_SIZE + 64];
    long         status;
    shard_str_t  text;

    status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);

    text.data = NULL;
    text.len = 0;

    if (t->large) {
        snprintf(why, sizeof(why), "more than %d MB",
                 PREDICTOR_SCRAPE_MAX / 1024 / 1024);

    } else if (result != CURLE_OK) {
        snprintf(why, sizeof(why), "%s", t->err[0] ? t->err
                 : curl_easy_strerror(result));

    } else if (status != 200) {
        snprintf(why, sizeof(why), "status %ld", status);

    } else {
        why[0] = '\0';
        text.data = t->text ? t->text : "";
        text.len = t->len;
    }

    each(data, t->id, text, why);
}


void
predictor_scrape_step(predictor_scrape_t *s, predictor_scrape_pt each,
    void *data)
{
    int                    n;
    CURLMsg               *msg;
    predictor_transfer_t  *t;

    if (s->all == NULL) {
        return;
    }

    (void) curl_multi_perform(s->multi, &n);

    while ((msg = curl_multi_info_read(s->multi, &n)) != NULL) {

        if (msg->msg != CURLMSG_DONE) {
            continue;
        }

        t = NULL;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &t);
        predictor_scrape_say(t, msg->data.result, each, data);
        predictor_scrape_end(s, t);
    }
}
