
/*
 * The log as JSON: what is a field, of which type, and that no text put into
 * a line can forge one, break it or make it longer than it may be.
 */

#include <jansson.h>
#include <stdarg.h>
#include <time.h>

#include "../../src/daemon/shardd_log.h"
#include "../../src/daemon/shardd_log_json.h"
#include "../lib/tap.h"


#define HEAD  "\"time\":\"T\",\"level\":\"info\",\"program\":\"unit\","       \
              "\"keyspace\":\"orders\","

#define HOSTILE  64


static char  line[8192];


TAP_FORMAT(2, 3) static size_t
made(size_t size, const char *fmt, ...)
{
    size_t   len;
    va_list  args;

    static const shardd_log_head_t  head = { "T", "info", "unit", "orders" };

    memset(line, '#', sizeof(line));

    va_start(args, fmt);
    len = shardd_log_json(line, size, &head, fmt, args);
    va_end(args);

    tap_ok(line[size] == '#' && len < size, "%zu bytes of %zu", len, size);
    line[len] = '\0';

    return len;
}


static void
fields(void)
{
    made(4096, "text alone");
    tap_is_str(line, "{" HEAD "\"message\":\"text alone\"}", "no field");

    made(4096, "shard=%u migration=%016llx taken in phase %s", 42u, 0xfeULL,
         "copy");
    tap_is_str(line, "{" HEAD "\"shard\":42,\"migration\":"
               "\"00000000000000fe\",\"message\":\"taken in phase copy\"}",
               "a number, hex digits, and the words");

    made(4096, "shard=%u standby %s copied from %s, bytes=%llu position=%llu",
         7u, "n2", "n1", 1ULL << 60, 3ULL);
    tap_is_str(line, "{" HEAD "\"shard\":7,\"bytes\":1152921504606846976,"
               "\"position\":3,\"message\":\"standby n2 copied from n1\"}",
               "no comma is left over");

    made(4096, "hold_ms=%llu%s%s", 12ULL, " ", "why");
    tap_is_str(line, "{" HEAD "\"hold_ms\":12,\"message\":\"why\"}",
               "what follows at once");

    made(4096, "level of shard %u: %.2f times on node %s", 9u, 1.25, "n3");
    tap_is_str(line, "{" HEAD "\"shard\":9,\"node\":\"n3\",\"message\":"
               "\"level of shard 9: 1.25 times on node n3\"}",
               "nouns name what follows them");

    made(4096, "merge shards %u and %u, %s node %.*s", 1u, 2u, "a", 2, "n345");
    tap_is_str(line, "{" HEAD "\"node\":\"n3\",\"message\":"
               "\"merge shards 1 and 2, a node n3\"}", "a precision");

    made(4096, "a=%d b=%ld c=%zu d=%g e=%c f=%5.1f g=%05d h=%x",
         -1, -2L, (size_t) 3, 1e300, 'x', 2.5, 6, 255);
    tap_is_str(line, "{" HEAD "\"a\":-1,\"b\":-2,\"c\":3,\"d\":1e+300,"
               "\"e\":\"x\",\"f\":  2.5,\"g\":\"00006\",\"h\":\"ff\","
               "\"message\":\"\"}", "types");

    made(4096, "a=%f b=%g c=%.1f", NAN, -INFINITY, INFINITY);
    tap_is_str(line, "{" HEAD "\"a\":null,\"b\":null,\"c\":null,"
               "\"message\":\"\"}", "what is no number");

    made(4096, "a=%d a=%d time=%s message=%s", 1, 2, "x", "y");
    tap_is_str(line, "{" HEAD "\"a\":1,\"message\":\"\"}",
               "the first of a name stays");

    made(4096, "%d%% of it, x?a=%d /A=%d B=%d", 50, 1, 2, 3);
    tap_is_str(line, "{" HEAD "\"message\":\"50% of it, x?a=1 /A=2 B=3\"}",
               "names begin words and are in small letters");
}


static void
forged(void)
{
    json_t       *object;
    json_error_t  err;

    made(4096, "hook says: %s", "shard=9 level=error \",\"shard\":9,\"x\":\"");
    tap_is_str(line, "{" HEAD "\"message\":\"hook says: shard=9 level=error "
               "\\\",\\\"shard\\\":9,\\\"x\\\":\\\"\"}", "words of a text");

    made(4096, "shard=%u error=%s", 1u, "a\"b\\c\nd\x1b[31m\xff\xc3\xa4"
         " shard=2");
    object = json_loads(line, JSON_REJECT_DUPLICATES, &err);
    tap_is_str(json_string_value(json_object_get(object, "error")),
               "a\"b\\c\nd\x1b[31m?\xc3\xa4 shard=2", "escapes");
    tap_is_int(json_integer_value(json_object_get(object, "shard")), 1,
               "and the shard is the format's");
    tap_ok(strchr(line, '\n') == NULL && strchr(line, 0x1b) == NULL,
           "one line, without control characters");
    json_decref(object);
}


/* texts of any bytes and lengths: always one whole object within its bounds */

static void
bounds(void)
{
    int           i, bad;
    char          text[3][3000];
    size_t        j, k, len, size;
    json_t       *object;
    unsigned      seed;
    json_error_t  err;

    seed = (unsigned) time(NULL);
    tap_diag("seed %u", seed);
    srand(seed);

    for (i = 0, bad = 0; i < HOSTILE; i++) {

        for (j = 0; j < 3; j++) {
            len = (size_t) rand() % sizeof(text[0]);

            for (k = 0; k < len; k++) {
                text[j][k] = (char) (1 + rand() % (i % 2 ? 255 : 31));
            }

            text[j][len ? len - 1 : 0] = '\0';
        }

        size = SHARDD_LOG_JSON_MIN + (size_t) rand() % 4096;
        len = made(size, "%s a=%s b=%d c=%s d=%f", text[0], text[1], i,
                   text[2], 1e308);

        object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &err);

        if (object == NULL || json_object_get(object, "message") == NULL
            || json_object_get(object, "time") == NULL)
        {
            tap_diag("%s: %.*s", err.text, (int) len, line);
            bad++;
        }

        json_decref(object);
    }

    tap_is_int(bad, 0, "hostile texts");

    memset(text[0], 'x', sizeof(text[0]) - 1);
    text[0][sizeof(text[0]) - 1] = '\0';
    made(SHARDD_LOG_JSON_MIN, "a=%s b=%d c=%d", text[0], 1, 2);
    tap_ok(strstr(line, "\"truncated\":true}") != NULL, "what was cut says so");
}


static void
words(void)
{
    tap_is_int(shardd_log_format_of("json"), SHARDD_LOG_JSON, "json");
    tap_is_int(shardd_log_format_of("text"), SHARDD_LOG_TEXT, "text");
    tap_is_int(shardd_log_format_of("JSON"), -1, "neither");
}


int
main(void)
{
    fields();
    forged();
    bounds();
    words();

    return tap_done();
}
