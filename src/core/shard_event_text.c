
#include "shard_event.h"
#include "shard_text.h"


static void shard_event_add_time(shard_text_t *text, int64_t s);
static void shard_event_add_times(shard_text_t *text,
    const shard_event_t *event);
static void shard_event_add_scope(shard_text_t *text,
    const shard_event_t *event);


int
shard_event_encode(const shard_event_t *event, char *buf, size_t size)
{
    shard_text_t  text;

    shard_text_open(&text, buf, size);

    shard_text_add(&text, "{\"start\":\"");
    shard_text_add_str(&text, event->start);
    shard_text_add(&text, "\",\"end\":\"");
    shard_text_add_str(&text, event->end);
    shard_text_add(&text, "\"");

    if (event->repeat.freq != SHARD_REPEAT_ONCE) {
        shard_text_add(&text, ",\"repeat\":\"");
        shard_text_add_str(&text, event->rule);
        shard_text_add(&text, "\"");
    }

    shard_event_add_times(&text, event);
    shard_event_add_scope(&text, event);

    shard_text_add(&text, ",\"effect\":\"");

    if (event->effect.len) {
        shard_text_add_str(&text, event->effect);

    } else {
        shard_text_add(&text, "learned");
    }

    if (event->name.len) {
        shard_text_add(&text, "\",\"name\":\"");
        shard_text_add_str(&text, event->name);
    }

    shard_text_add(&text, "\"}");

    if (text.full) {
        return SHARD_AGAIN;
    }

    *text.pos = '\0';

    return (int) (text.pos - buf);
}


static void
shard_event_add_time(shard_text_t *text, int64_t s)
{
    char  buf[SHARD_TIME_SIZE];

    shard_time_encode(s, buf);
    shard_text_add(text, buf);
}


static void
shard_event_add_times(shard_text_t *text, const shard_event_t *event)
{
    char      east[] = "+00:00";
    int32_t   minutes;
    unsigned  i;

    for (i = 0; i < event->noffsets; i++) {
        shard_text_add(text, i ? ",\"" : ",\"offsets\":[\"");
        shard_event_add_time(text, event->offsets[i].from_s);

        minutes = event->offsets[i].east_s / 60;
        east[0] = minutes < 0 ? '-' : '+';
        minutes = minutes < 0 ? -minutes : minutes;
        east[1] = (char) ('0' + minutes / 600);
        east[2] = (char) ('0' + minutes / 60 % 10);
        east[4] = (char) ('0' + minutes % 60 / 10);
        east[5] = (char) ('0' + minutes % 10);

        shard_text_add(text, east);
        shard_text_add(text, "\"");
    }

    shard_text_add(text, i ? "]" : "");

    for (i = 0; i < event->nexcept; i++) {
        shard_text_add(text, i ? ",\"" : ",\"except\":[\"");
        shard_event_add_time(text, event->except_s[i]);
        shard_text_add(text, "\"");
    }

    shard_text_add(text, i ? "]" : "");
}


static void
shard_event_add_scope(shard_text_t *text, const shard_event_t *event)
{
    unsigned  i;

    for (i = 0; i < event->nshards; i++) {
        shard_text_add(text, i ? "," : ",\"shards\":[");
        shard_text_add_uint(text, event->shards[i]);
    }

    shard_text_add(text, i ? "]" : "");

    for (i = 0; i < event->nnodes; i++) {
        shard_text_add(text, i ? ",\"" : ",\"nodes\":[\"");
        shard_text_add_str(text, shard_text_array(event->nodes[i],
                                                  SHARD_NAME_SIZE));
        shard_text_add(text, "\"");
    }

    shard_text_add(text, i ? "]" : "");
}
