
/*
 * The command line, and what is wrong with it.
 */


#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "shardkv.h"


static const char  shardkv_help[] =
    "usage: shardkv --listen HOST:PORT --dir DIR | --store URL [options]\n"
    "\n"
    "A durable key-value and append-queue backend that offers the whole\n"
    "contract of docs/backend-contract.md.\n"
    "\n"
    "  --listen HOST:PORT  numeric address, [..] around IPv6; port 0: any\n"
    "  --dir DIR           where the data is; made when missing\n"
    "  --store URL         or: in a database of its own, see README.md\n"
    "  --store-password-file FILE  whose first line is the password there\n"
    "  --store-connections N  at once, a thread each, 1 to 64 (default: 8)\n"
    "  --name NAME         in messages (default: shardkv)\n"
    "  --capacity N        ordinary requests per second; more wait in a queue\n"
    "                      of 10 s, then 503 (default: no limit)\n"
    "  --map-size SIZE     what the data may take, with k, m, g (default: 1g)\n"
    "  --log-keep N        log entries kept per shard (default: 50000)\n"
    "  --sync on|off       fsync before a write is answered (default: on)\n"
    "  --threads N         that serve connections, 1 to 16 (default: 2)\n"
    "  --help\n"
    "\n"
    "Exit status: 0 stopped by TERM or INT, 1 failed, 2 usage.\n";


static int shardkv_option(shardkv_options_t *o, int opt, const char *value);


int
shardkv_usage(const char *fmt, ...)
{
    va_list  args;

    fprintf(stderr, "shardkv: ");

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);

    fprintf(stderr, "; --help lists the options\n");

    return 2;
}


int
shardkv_options(int argc, char **argv, shardkv_options_t *o)
{
    int  opt;

    static const struct option  options[] = {
        { "listen", required_argument, NULL, 'l' },
        { "dir", required_argument, NULL, 'd' },
        { "store", required_argument, NULL, 'S' },
        { "store-password-file", required_argument, NULL, 'P' },
        { "store-connections", required_argument, NULL, 'C' },
        { "name", required_argument, NULL, 'n' },
        { "capacity", required_argument, NULL, 'c' },
        { "map-size", required_argument, NULL, 'm' },
        { "log-keep", required_argument, NULL, 'k' },
        { "sync", required_argument, NULL, 's' },
        { "threads", required_argument, NULL, 't' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 }
    };

    memset(o, 0, sizeof(shardkv_options_t));

    o->name = "shardkv";
    o->map_size = 1024 * 1024 * 1024;
    o->log_keep = 50000;
    o->sync = 1;
    o->threads = 2;
    o->connections = 8;

    opterr = 0;

    while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {

        if (opt == 'h') {
            fputs(shardkv_help, stdout);
            return 0;
        }

        if (opt == '?') {
            return shardkv_usage("unknown option or missing value: %s",
                                 argv[optind - 1]);
        }

        if (shardkv_option(o, opt, optarg) != SHARD_OK) {
            return shardkv_usage("bad value \"%s\" of %s", optarg,
                                 argv[optind - 1] == optarg
                                 ? argv[optind - 2] : argv[optind - 1]);
        }
    }

    if (optind < argc) {
        return shardkv_usage("unknown argument \"%s\"", argv[optind]);
    }

    if (o->listen == NULL || (o->dir == NULL) == (o->store == NULL)) {
        return shardkv_usage("--listen and either --dir or --store are "
                             "needed");
    }

    return -1;
}


static int
shardkv_size(const char *value, uint64_t *size)
{
    unsigned     shift;
    shard_str_t  text;

    text.data = value;
    text.len = strlen(value);
    shift = 0;

    if (text.len) {

        switch (value[text.len - 1] | 0x20) {
        case 'g':
            shift += 10;
            /* fall through */
        case 'm':
            shift += 10;
            /* fall through */
        case 'k':
            shift += 10;
            text.len--;
        }
    }

    if (shard_uint64_decode(text, size) != SHARD_OK
        || *size > ((uint64_t) 1 << 46) >> shift)
    {
        return SHARD_ERROR;
    }

    *size <<= shift;

    return (*size >= 1024 * 1024) ? SHARD_OK : SHARD_ERROR;
}


static int
shardkv_option(shardkv_options_t *o, int opt, const char *value)
{
    char         *end;
    uint64_t      n;
    shard_str_t   text;

    text.data = value;
    text.len = strlen(value);

    switch (opt) {

    case 'l':
        o->listen = value;
        return SHARD_OK;

    case 'd':
        o->dir = value;
        return text.len ? SHARD_OK : SHARD_ERROR;

    case 'S':
        o->store = value;
        return text.len ? SHARD_OK : SHARD_ERROR;

    case 'P':
        o->password_file = value;
        return text.len ? SHARD_OK : SHARD_ERROR;

    case 'C':

        if (shard_uint64_decode(text, &n) != SHARD_OK || n == 0
            || n > SHARDKV_POOL_MAX)
        {
            return SHARD_ERROR;
        }

        o->connections = (unsigned) n;
        return SHARD_OK;

    case 'n':
        o->name = value;
        return shard_name_valid(text) ? SHARD_OK : SHARD_ERROR;

    case 'c':
        o->capacity = strtod(value, &end);
        return (text.len && *end == '\0' && o->capacity > 0
                && o->capacity <= SHARDKV_CAPACITY_MAX)
               ? SHARD_OK : SHARD_ERROR;

    case 'm':
        return shardkv_size(value, &o->map_size);

    case 's':
        o->sync = (strcmp(value, "on") == 0);
        return (o->sync || strcmp(value, "off") == 0) ? SHARD_OK
                                                      : SHARD_ERROR;

    case 'k':

        if (shard_uint64_decode(text, &n) != SHARD_OK || n == 0) {
            return SHARD_ERROR;
        }

        o->log_keep = n;
        return SHARD_OK;

    default:

        if (shard_uint64_decode(text, &n) != SHARD_OK || n == 0 || n > 16) {
            return SHARD_ERROR;
        }

        o->threads = (unsigned) n;
        return SHARD_OK;
    }
}
