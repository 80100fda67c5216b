
/*
 * One run's connection to the store, and the messages of a run that fails.
 * A message names the thing and the place, then the way out.
 */


#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shard_codec.h"
#include "shardctl.h"


#define SESSION_MESSAGE_MAX   2048
#define SESSION_PASSWORD_MAX  512


static void
session_message(shardctl_t *ctl, const char *code, const char *fmt,
    va_list args)
{
    char     text[SESSION_MESSAGE_MAX], safe[SESSION_MESSAGE_MAX];
    json_t  *error;

    vsnprintf(text, sizeof(text), fmt, args);
    shardctl_safe(text, safe, sizeof(safe));

    if (ctl->command) {
        fprintf(stderr, "shardctl %s: %s\n", ctl->command->name, safe);

    } else {
        fprintf(stderr, "shardctl: %s\n", safe);
    }

    if (ctl->json) {
        error = json_pack("{s:{s:s, s:o}}", "error", "code", code, "message",
                          shardctl_text(safe));
        if (error) {
            json_dumpf(error, stdout, JSON_INDENT(2));
            printf("\n");
            json_decref(error);
        }
    }
}


int
shardctl_fail(shardctl_t *ctl, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    session_message(ctl, "failed", fmt, args);
    va_end(args);

    return SHARDCTL_FAILED;
}


int
shardctl_already(shardctl_t *ctl, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    session_message(ctl, "already_there", fmt, args);
    va_end(args);

    return SHARDCTL_ALREADY;
}


int
shardctl_usage(shardctl_t *ctl, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    session_message(ctl, "usage", fmt, args);
    va_end(args);

    fprintf(stderr, "see: shardctl%s%s --help\n", ctl->command ? " " : "",
            ctl->command ? ctl->command->name : "");

    return SHARDCTL_USAGE;
}


int
shardctl_store_fail(shardctl_t *ctl, int rc, const char *what)
{
    const char  *way;

    switch (rc) {

    case SHARDD_DOWN:
        way = strstr(ctl->store.err, "AUTH") ? "--redis URL or "
              "--password-file FILE give the password"
              : "is it running there? --redis URL or SHARD_REDIS say where";
        break;

    case SHARDD_FENCED:
        way = "another program is at it: try again when it has ended";
        break;

    case SHARDD_CONFLICT:
        way = "somebody changed it meanwhile: try again";
        break;

    case SHARDD_NONE:
        way = "\"shardctl init\" makes a table, -k or SHARD_KEYSPACE name "
              "another keyspace";
        break;

    default:
        way = "nothing was changed";
        break;
    }

    return shardctl_fail(ctl, "%s: %s (%s)", what, ctl->store.err, way);
}


static int
session_password(shardctl_t *ctl)
{
    char    line[SESSION_PASSWORD_MAX];
    FILE   *file;
    size_t  len;

    file = fopen(ctl->password_file, "r");

    if (file == NULL) {
        return shardctl_fail(ctl, "cannot open the password file \"%s\": %m",
                             ctl->password_file);
    }

    if (fgets(line, sizeof(line), file) == NULL) {
        fclose(file);
        return shardctl_fail(ctl, "the password file \"%s\" is empty: its "
                             "first line is the password",
                             ctl->password_file);
    }

    fclose(file);

    len = strcspn(line, "\r\n");

    if (len == 0 || len == sizeof(line) - 1) {
        return shardctl_fail(ctl, "the first line of the password file "
                             "\"%s\" is empty or longer than %d bytes",
                             ctl->password_file, SESSION_PASSWORD_MAX - 2);
    }

    line[len] = '\0';

    free(ctl->conf.password);
    ctl->conf.password = strdup(line);

    explicit_bzero(line, sizeof(line));

    return ctl->conf.password ? SHARDCTL_OK
                              : shardctl_fail(ctl, "out of memory");
}


int
shardctl_open(shardctl_t *ctl)
{
    int           rc;
    char          err[SHARDD_ERR_SIZE];
    const char   *url;
    shard_str_t   name;

    if (ctl->opened) {
        return SHARDCTL_OK;
    }

    if (ctl->keyspace == NULL || ctl->keyspace[0] == '\0') {
        return shardctl_usage(ctl, "which keyspace? -k KEYSPACE or "
                              "SHARD_KEYSPACE say it");
    }

    name.data = ctl->keyspace;
    name.len = strlen(ctl->keyspace);

    if (!shard_name_valid(name)) {
        return shardctl_usage(ctl, "\"%s\" is no keyspace's name: 1 to 63 of "
                              "A-Z a-z 0-9 _ . - are needed", ctl->keyspace);
    }

    url = (ctl->redis && ctl->redis[0]) ? ctl->redis : "127.0.0.1:6379";

    if (shardd_redis_url(url, &ctl->conf, err) != 0) {

        /* err, not the URL: that may hold a password */

        return shardctl_usage(ctl, "%s (host:port, redis://host:port/db and "
                              "unix:/path are addresses)", err);
    }

    if (ctl->password_file) {
        rc = session_password(ctl);

        if (rc != SHARDCTL_OK) {
            return rc;
        }
    }

    rc = shardd_store_open(&ctl->store, &ctl->conf, ctl->keyspace);
    ctl->opened = 1;

    if (rc != SHARDD_OK) {
        return shardctl_store_fail(ctl, rc, "cannot reach the store");
    }

    return SHARDCTL_OK;
}


int
shardctl_load(shardctl_t *ctl, shardd_table_t *table)
{
    int   rc;
    char  what[128];

    memset(table, 0, sizeof(shardd_table_t));

    rc = shardctl_open(ctl);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    rc = shardd_table_load(&ctl->store, table);

    if (rc == SHARDD_OK && table->nshards == 0) {
        shardd_table_free(table);
        snprintf(ctl->store.err, SHARDD_ERR_SIZE, "it has no shards");
        rc = SHARDD_NONE;
    }

    if (rc != SHARDD_OK) {
        snprintf(what, sizeof(what), "no table of keyspace \"%s\"",
                 ctl->keyspace);
        return shardctl_store_fail(ctl, rc, what);
    }

    return SHARDCTL_OK;
}


int
shardctl_no_shard(shardctl_t *ctl, const shardd_table_t *table, shard_id_t id)
{
    return shardctl_fail(ctl, "keyspace \"%s\" has no shard %u: it has %zu, "
                         "\"shardctl shards\" lists them", ctl->keyspace, id,
                         table->nshards);
}


int
shardctl_no_node(shardctl_t *ctl, const shardd_table_t *table,
    const char *name)
{
    size_t        i;
    const char   *nearest, **words;
    shard_str_t   text;

    words = calloc(table->nnodes + 1, sizeof(char *));

    if (words == NULL) {
        return shardctl_fail(ctl, "out of memory");
    }

    for (i = 0; i < table->nnodes; i++) {
        words[i] = table->nodes[i].name;
    }

    text.data = name;
    text.len = strlen(name);

    nearest = shard_nearest(text, words);

    free(words);

    if (nearest) {
        return shardctl_fail(ctl, "keyspace \"%s\" has no node \"%s\", nearest"
                             " is \"%s\"", ctl->keyspace, name, nearest);
    }

    return shardctl_fail(ctl, "keyspace \"%s\" has no node \"%s\": \"shardctl "
                         "nodes\" lists them, \"shardctl node add\" adds one",
                         ctl->keyspace, name);
}


int
shardctl_hash(shardctl_t *ctl, const char *key, shardd_entry_t *out)
{
    int   rc;
    char  what[128];

    memset(out, 0, sizeof(shardd_entry_t));

    rc = shardd_hash_load(&ctl->store, key, out);

    if (rc == SHARDD_NONE) {
        memset(out, 0, sizeof(shardd_entry_t));
        return SHARDCTL_OK;
    }

    if (rc != SHARDD_OK) {
        snprintf(what, sizeof(what), "cannot read \"%s\"", key);
        return shardctl_store_fail(ctl, rc, what);
    }

    return SHARDCTL_OK;
}


/* who gives the orders; a valid name whatever the system says */

const char *
shardctl_user(void)
{
    char           *p;
    const char     *name;
    struct passwd  *pw;
    static char     user[32];

    name = getenv("SUDO_USER");

    if (name == NULL || name[0] == '\0') {
        pw = getpwuid(geteuid());
        name = pw ? pw->pw_name : NULL;
    }

    if (name == NULL || name[0] == '\0') {
        snprintf(user, sizeof(user), "uid%u", (unsigned) geteuid());
        return user;
    }

    snprintf(user, sizeof(user), "%s", name);

    for (p = user; *p; p++) {

        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                    "0123456789_.-", *p))
        {
            *p = '_';
        }
    }

    return user;
}


const char *
shardctl_by(void)
{
    static char  by[48];

    snprintf(by, sizeof(by), "operator:%s", shardctl_user());

    return by;
}


/* a claim's holder: one per run, so that two runs exclude each other */

void
shardctl_holder(char buf[SHARD_NAME_SIZE])
{
    snprintf(buf, SHARD_NAME_SIZE, "shardctl-%s-%d", shardctl_user(),
             (int) getpid());
}
