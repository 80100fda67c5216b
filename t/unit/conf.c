
/* YAML configuration: what is bound, what is refused, and where */


#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/tap.h"
#include "shardd_conf.h"


typedef struct {
    char    *name;
    char    *password;
    long     count;
    double   ratio;
    long     interval_ms;
    int      enabled;
    int      mode;
    char    *addr;
    long     db;
    char   **names;
    char   **nodes;
    struct {
        char  *name;
        long   count;
        char **words;
    } items[2];
} conf_t;

#define AT(member)  offsetof(conf_t, member)


static const char *const  modes[] = { "observe", "recommend", "act", NULL };

#define ITEM(member)                                                         \
    offsetof(conf_t, items[0].member) - offsetof(conf_t, items)

static const shardd_conf_key_t  item_keys[] = {
    { "name", SHARDD_CONF_STRING, ITEM(name), 0, 0, 1, NULL, NULL, "who" },
    { "count", SHARDD_CONF_INT, ITEM(count), 0, 9, 0, NULL, NULL, "often" },
    { "words", SHARDD_CONF_LIST, ITEM(words), 0, 3, 0, NULL, NULL, "what" },
    { NULL, SHARDD_CONF_STRING, 0, 0, 0, 0, NULL, NULL, NULL }
};

static const shardd_conf_key_t  redis_keys[] = {
    { "addr", SHARDD_CONF_STRING, AT(addr), 0, 0, 1, NULL, NULL,
      "host:port" },
    { "db", SHARDD_CONF_INT, AT(db), 0, 15, 0, NULL, NULL, "database" },
    { NULL, SHARDD_CONF_STRING, 0, 0, 0, 0, NULL, NULL, NULL }
};

static const shardd_conf_key_t  keys[] = {
    { "name", SHARDD_CONF_STRING, AT(name), 0, 0, 1, NULL, NULL,
      "who it is" },
    { "password_file", SHARDD_CONF_FILE, AT(password), 0, 0, 0, NULL, NULL,
      "file with the password" },
    { "count", SHARDD_CONF_INT, AT(count), -5, 100, 0, NULL, NULL,
      "how many" },
    { "ratio", SHARDD_CONF_NUMBER, AT(ratio), 0, 1, 0, NULL, NULL, "share" },
    { "interval_s", SHARDD_CONF_MS, AT(interval_ms), 10, 3600000, 0, NULL,
      NULL, "how often" },
    { "enabled", SHARDD_CONF_BOOL, AT(enabled), 0, 0, 0, NULL, NULL,
      "at all" },
    { "mode", SHARDD_CONF_ENUM, AT(mode), 0, 0, 0, modes, NULL, "what" },
    { "redis", SHARDD_CONF_SECTION, 0, 0, 0, 0, NULL, redis_keys,
      "where" },
    { "items", SHARDD_CONF_ITEMS, AT(items),
      sizeof(((conf_t *) 0)->items[0]), 2, 0, NULL, item_keys, "some" },
    { "names", SHARDD_CONF_LIST, AT(names), 0, 3, 0, NULL, NULL, "of whom" },
    { "nodes", SHARDD_CONF_MAP, AT(nodes), 0, 4, 0, NULL, NULL, "and where" },
    { NULL, SHARDD_CONF_STRING, 0, 0, 0, 0, NULL, NULL, NULL }
};


static char  path[] = "/tmp/shard-conf-XXXXXX";
static char  secret[] = "/tmp/shard-secret-XXXXXX";


static void
write_file(const char *name, const char *text, size_t len)
{
    FILE  *f;

    f = fopen(name, "w");

    if (f == NULL || fwrite(text, 1, len, f) != len || fclose(f) != 0) {
        perror(name);
        exit(1);
    }
}


static void
defaults(conf_t *conf)
{
    memset(conf, 0, sizeof(conf_t));
    conf->count = 7;
    conf->ratio = 0.5;
    conf->interval_ms = 1000;
}


/* the whole configuration from text */

static void
good_file(void)
{
    char    text[512], err[SHARDD_ERR_SIZE];
    conf_t  conf;

    write_file(secret, "s3cret\nsecond line\n", 19);

    snprintf(text, sizeof(text),
             "# a comment\n"
             "name: \"edge one\"\n"
             "password_file: %s\n"
             "count: -5\n"
             "ratio: 2.5e-1\n"
             "interval_s: 5m\n"
             "enabled: on\n"
             "mode: act\n"
             "redis:\n"
             "    addr: 127.0.0.1:6379\n"
             "    db: 3\n", secret);

    write_file(path, text, strlen(text));
    defaults(&conf);
    err[0] = '\0';

    tap_is_int(shardd_conf_load(path, keys, &conf, err), 0, "a good file");
    tap_is_str(err, "", "without an error");
    tap_is_str(conf.name, "edge one", "string");
    tap_is_str(conf.password, "s3cret", "first line of a file");
    tap_is_int(conf.count, -5, "whole number");
    tap_ok(conf.ratio == 0.25, "number");
    tap_is_int(conf.interval_ms, 300000, "time");
    tap_is_int(conf.enabled, 1, "switch");
    tap_is_int(conf.mode, 2, "word");
    tap_is_str(conf.addr, "127.0.0.1:6379", "string in a section");
    tap_is_int(conf.db, 3, "number in a section");

    free(conf.name);
    free(conf.password);
    free(conf.addr);
}


static void
loads(const char *text, long interval_ms, int enabled)
{
    char    err[SHARDD_ERR_SIZE];
    conf_t  conf;

    write_file(path, text, strlen(text));
    defaults(&conf);
    err[0] = '\0';

    if (tap_is_int(shardd_conf_load(path, keys, &conf, err), 0, "loads")) {
        tap_is_int(conf.interval_ms, interval_ms, "time is %ld ms",
                   interval_ms);
        tap_is_int(conf.enabled, enabled, "switch is %d", enabled);
        tap_is_int(conf.count, 7, "what is not given stays");

    } else {
        tap_diag("%s", err);
    }

    free(conf.name);
    free(conf.addr);
}


static void
refuses_bytes(const char *text, size_t len, const char *expected)
{
    char    err[SHARDD_ERR_SIZE], full[SHARDD_ERR_SIZE + 64];
    conf_t  conf, before;

    write_file(path, text, len);
    defaults(&conf);
    before = conf;
    err[0] = '\0';

    tap_is_int(shardd_conf_load(path, keys, &conf, err), -1, "refused");

    snprintf(full, sizeof(full), "%s:%s", path, expected);
    err[strlen(err) < strlen(full) ? strlen(err) : strlen(full)] = '\0';

    tap_is_str(err, full, "because %s", expected);
    tap_ok(memcmp(&conf, &before, sizeof(conf)) == 0, "nothing is changed");
}


static void
refuses(const char *text, const char *expected)
{
    refuses_bytes(text, strlen(text), expected);
}


static void
good_items(void)
{
    char    err[SHARDD_ERR_SIZE];
    conf_t  conf;

    static const char  text[] =
        "name: a\nitems:\n"
        "  - name: one\n    count: 3\n    words: [x, y]\n"
        "  - { name: two }\ncount: 5\n";

    write_file(path, text, strlen(text));
    defaults(&conf);
    tap_is_int(shardd_conf_load(path, keys, &conf, err), 0, "items");
    tap_ok(strcmp(conf.items[0].name, "one") == 0 && conf.items[0].count == 3
           && strcmp(conf.items[0].words[1], "y") == 0
           && conf.items[0].words[2] == NULL, "the first item");
    tap_ok(strcmp(conf.items[1].name, "two") == 0 && conf.items[1].count == 0
           && conf.items[1].words == NULL, "the second one");
    tap_is_int(conf.count, 5, "and what is behind them");

    free(conf.items[0].words[0]);
    free(conf.items[0].words[1]);
    free(conf.items[0].words);
    free(conf.items[0].name);
    free(conf.items[1].name);
    free(conf.name);

    refuses("name: a\nitems:\n  - count: 3\n", "3:5: section \"items\" lacks "
            "\"name\"");
    refuses("name: a\nitems: [ x ]\n", "2:10: an item of \"items\" must");
    refuses("name: a\nitems: x\n", "2:8: \"items\" needs a list");
    refuses("name: a\nitems: [{name: a}, {name: b}, {name: c}]\n", "2:31: an "
            "item of \"items\" must have keys, and there may be 2");
}


static void
bad_keys(void)
{
    refuses("name: a\nintervall_s: 5s\n", "2:1: unknown key \"intervall_s\", "
            "nearest is \"interval_s\"");
    refuses("name: a\nxyzzyxyzzy: 5s\n", "2:1: unknown key \"xyzzyxyzzy\"");
    refuses("name: a\nredis:\n  addr: x\n  dbb: 5\n", "4:3: unknown key "
            "\"dbb\"");
    refuses("name: a\nname: b\n", "2:1: \"name\" is given twice");
    refuses("name: a\nredis: {addr: x, addr: y}\n", "2:18: \"addr\" is given "
            "twice");
    refuses("name: a\nredis: {addr: x}\nredis: {addr: x}\n", "3:1: \"redis\" "
            "is given twice");
    refuses("count: 5\n", "1:1: the file lacks \"name\": who it is");
    refuses("", "1:1: the file lacks \"name\"");
    refuses("# nothing\n", "2:1: the file lacks \"name\"");
    refuses("name: a\nredis:\n  db: 5\n", "3:3: section \"redis\" lacks "
            "\"addr\": host:port");
    refuses("name: a\nredis:\n", "2:7: section \"redis\" lacks \"addr\"");
    refuses("name: a\n[1, 2]: 5\n", "2:1: a key must be a word");
}


static void
bad_values(void)
{
    refuses("name:\n", "1:6: \"name\" needs a value: who it is");
    refuses("name: a\ncount: many\n", "2:8: \"count\": \"many\" is no whole "
            "number");
    refuses("name: a\ncount: 5x\n", "2:8: \"count\": \"5x\" is no");
    refuses("name: a\ncount: 99999999999999999999\n", "2:8: \"count\"");
    refuses("name: a\ncount: 101\n", "2:8: \"count\" is 101, must be -5 to "
            "100");
    refuses("name: a\nratio: 0x1\n", "2:8: \"ratio\": \"0x1\" is no number");
    refuses("name: a\nratio: nan\n", "2:8: \"ratio\": \"nan\" is no number");
    refuses("name: a\nratio: 1.5\n", "2:8: \"ratio\" is 1.5, must be 0 to 1");
    refuses("name: a\ninterval_s: 10\n", "2:13: \"interval_s\": \"10\" is no "
            "time");
    refuses("name: a\ninterval_s: 5 s\n", "2:13: \"interval_s\": \"5 s\"");
    refuses("name: a\ninterval_s: 1.5s\n", "2:13: \"interval_s\": \"1.5s\"");
    refuses("name: a\ninterval_s: 5ms\n", "2:13: \"interval_s\" is 5ms, must "
            "be 10ms to 1h");
    refuses("name: a\ninterval_s: 999999999999d\n", "2:13: \"interval_s\" "
            "is");
    refuses("name: a\nenabled: yes\n", "2:10: \"enabled\": \"yes\" is none of "
            "on, off, true, false");
    refuses("name: a\nmode: obserb\n", "2:7: \"mode\": \"obserb\" is none of "
            "observe, recommend, act; nearest is \"observe\"");
    refuses("name: a\npassword_file: /nonexistent/pw\n", "2:16: "
            "\"password_file\": /nonexistent/pw: No such file or directory");

    write_file(secret, "", 0);
    refuses_bytes("name: a\npassword_file: /dev/null\n", 33, "2:16: "
                  "\"password_file\": /dev/null: is empty");
}


static void
bad_shapes(void)
{
    char  deep[256];

    refuses("- a\n- b\n", "1:1: the file must be lines of \"key: value\"");
    refuses("text\n", "1:1: the file must be lines");
    refuses("name: [a, b]\n", "1:7: \"name\" needs a plain value");
    refuses("name: {a: b}\n", "1:7: \"name\" needs one value, not a section");
    refuses("name: a\nredis: 6379\n", "2:8: \"redis\" is a section");
    refuses("name: a\nredis: [6379]\n", "2:8: \"redis\" needs a plain value");
    refuses("name: &x a\n", "1:7: \"name\" needs a plain value");
    refuses("name: &x a\ncount: *x\n", "1:7: \"name\" needs a plain value");
    refuses("name: !!str a\n", "1:7: \"name\" needs a plain value");
    refuses("name: a\nredis: &x {addr: a}\n", "2:8: anchors and tags");
    refuses("name: a\n---\nname: b\n", "2:1: a second document");
    refuses("name: \"a\n", "2:1: found unexpected end of stream");
    refuses("name: a\n\tcount: 5\n", "2:1: found a tab character");
    refuses("name: a: b\n", "1:8: mapping values are not allowed");
    refuses("name: @a\n", "1:7: found character that cannot start");
    refuses_bytes("name: \"a\\0b\"\n", 13, "1:7: \"name\" is longer than");
    refuses_bytes("name: \xff\xfe\n", 9, "1:1: ");

    memset(deep, '[', 200);
    deep[200] = '\0';
    refuses(deep, "1:1: the file must be lines");
}


static void
lists(void)
{
    int     i;
    char    err[SHARDD_ERR_SIZE];
    conf_t  conf;

    static const char  block[] = "name: a\nnames:\n  - x\n  - \"y z\"\n";
    static const char  empty[] = "name: a\nnames: []\n";

    write_file(path, block, sizeof(block) - 1);
    defaults(&conf);
    tap_is_int(shardd_conf_load(path, keys, &conf, err), 0, "a list");
    tap_ok(conf.names && conf.names[2] == NULL, "of two");
    tap_is_str(conf.names[0], "x", "its first item");
    tap_is_str(conf.names[1], "y z", "its second item");

    for (i = 0; i < 2; i++) {
        free(conf.names[i]);
    }

    free(conf.names);
    free(conf.name);

    write_file(path, empty, sizeof(empty) - 1);
    defaults(&conf);
    tap_is_int(shardd_conf_load(path, keys, &conf, err), 0, "an empty list");
    tap_ok(conf.names == NULL, "is none");
    free(conf.name);

    refuses("name: a\nnames: x\n", "2:8: \"names\" needs a list, as [a, b]");
    refuses("name: a\nnames: {x: y}\n", "2:8: \"names\" needs a list, as "
            "[a, b]");
    refuses("name: a\nnames: [x, [y]]\n", "2:12: an item of \"names\" must "
            "be a plain value");
    refuses("name: a\nnames: [x, &y z]\n", "2:12: an item of \"names\"");
    refuses("name: a\nnames: &n [x]\n", "2:8: \"names\" has an anchor");
    refuses("name: a\nnames: [x, '']\n", "2:12: an item of \"names\" is "
            "empty");
    refuses("name: a\nnames: [a, b, c, d]\n", "2:18: \"names\" has more than "
            "3 items");
    refuses("name: a\nnames: [a, b]\nnames: [c]\n", "3:1: \"names\" is given "
            "twice");
    refuses("name: a\nnames: [a, b\n", "3:1: did not find expected");
}


static void
maps(void)
{
    int     i;
    char    err[SHARDD_ERR_SIZE];
    conf_t  conf;

    static const char  text[] = "name: a\nnodes:\n  n1: \"x y\"\n  n-2: z\n";

    write_file(path, text, sizeof(text) - 1);
    defaults(&conf);
    tap_is_int(shardd_conf_load(path, keys, &conf, err), 0, "a map");
    tap_ok(conf.nodes && conf.nodes[4] == NULL, "of two");
    tap_is_str(conf.nodes[0], "n1", "its first name");
    tap_is_str(conf.nodes[1], "x y", "its first value");
    tap_is_str(conf.nodes[2], "n-2", "its second name");
    tap_is_str(conf.nodes[3], "z", "its second value");

    for (i = 0; i < 4; i++) {
        free(conf.nodes[i]);
    }

    free(conf.nodes);
    free(conf.name);

    refuses("name: a\nnodes: x\n", "2:8: \"nodes\" needs lines of \"name: "
            "value\"");
    refuses("name: a\nnodes: [x]\n", "2:8: \"nodes\" needs lines of");
    refuses("name: a\nnodes: {x: [y]}\n", "2:12: an item of \"nodes\" must "
            "be \"name: value\"");
    refuses("name: a\nnodes: {x: ''}\n", "2:12: an item of \"nodes\" is "
            "empty");
    refuses("name: a\nnodes: {x: y, x: z}\n", "2:15: \"x\" is given twice");
    refuses("name: a\nnodes: {a: b, c: d, e: f}\n", "2:21: \"nodes\" has "
            "more than 4 items");
    refuses("name: a\nnodes: &n {x: y}\n", "2:8: \"nodes\" has an anchor");
}


static void
bad_files(void)
{
    char    err[SHARDD_ERR_SIZE], *big;
    conf_t  conf;

    defaults(&conf);

    tap_is_int(shardd_conf_load("/nonexistent.yaml", keys, &conf, err), -1,
               "no such file");
    tap_is_str(err, "/nonexistent.yaml: No such file or directory",
               "is named");
    tap_is_int(shardd_conf_load("/tmp", keys, &conf, err), -1, "a folder");
    tap_is_str(err, "/tmp: Is a directory", "is named");

    big = malloc(300000);
    memset(big, '#', 300000);
    write_file(path, big, 300000);
    free(big);

    tap_is_int(shardd_conf_load(path, keys, &conf, err), -1, "a huge file");
    tap_ok(strstr(err, "larger than 262144 bytes") != NULL, "%s", err);
}


/* what is printed loads again to the same */

static void
printed(void)
{
    int     out;
    char    err[SHARDD_ERR_SIZE];
    FILE   *f;
    conf_t  conf, again;

    static const char *const  names[] = { "a\"b", "c", NULL };

    defaults(&conf);
    conf.name = (char *) "say \"hi\" \\";
    conf.addr = (char *) "127.0.0.1:6379";
    conf.interval_ms = 90000;
    conf.mode = 1;
    conf.names = (char **) names;

    fflush(stdout);
    out = dup(1);
    f = freopen(path, "w", stdout);
    if (f) {
        shardd_conf_print(keys, &conf);
        fflush(stdout);
    }
    dup2(out, 1);
    close(out);

    memset(&again, 0, sizeof(again));
    err[0] = '\0';

    tap_is_int(shardd_conf_load(path, keys, &again, err), 0,
               "the print loads %s", err);
    tap_is_str(again.name, conf.name, "string");
    tap_is_str(again.addr, conf.addr, "string in a section");
    tap_is_int(again.interval_ms, 90000, "time");
    tap_is_int(again.mode, 1, "word");
    tap_is_int(again.count, 7, "number");
    tap_ok(again.password == NULL, "no secret is printed");
    tap_is_str(again.names[0], "a\"b", "list");

    free(again.names[0]);
    free(again.names[1]);
    free(again.names);
    free(again.name);
    free(again.addr);
}


int
main(void)
{
    close(mkstemp(path));
    close(mkstemp(secret));

    good_file();
    good_items();
    loads("name: a\ninterval_s: 10ms\nenabled: true\n", 10, 1);
    loads("name: ''\ninterval_s: 1h\nenabled: off\n", 3600000, 0);
    loads("name: a\ninterval_s: '5s'\nenabled: false\n", 5000, 0);
    loads("---\n{name: a, redis: {addr: x}}\n...\n", 1000, 0);
    bad_keys();
    bad_values();
    bad_shapes();
    lists();
    maps();
    bad_files();
    printed();

    unlink(path);
    unlink(secret);

    return tap_done();
}
