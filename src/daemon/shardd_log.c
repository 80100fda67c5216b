
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shardd_log.h"
#include "shardd_log_json.h"


#define SHARDD_LOG_LINE    2048
#define SHARDD_LOG_OBJECT  4096     /* PIPE_BUF: a pipe keeps it whole */
#define SHARDD_LOG_DATE    40


const char *const shardd_log_words[] = {
    "error", "warn", "info", "debug", NULL
};

const char *const shardd_log_formats[] = { "text", "json", NULL };

static const char  *shardd_log_program = "shardd";
static const char  *shardd_log_keyspace;
static int          shardd_log_level = SHARDD_LOG_INFO;
static int          shardd_log_kind = SHARDD_LOG_TEXT;


void
shardd_log_init(const char *program, const char *keyspace, int level)
{
    shardd_log_program = program;
    shardd_log_keyspace = keyspace;
    shardd_log_level = level;
}


void
shardd_log_format(int format)
{
    shardd_log_kind = format;
}


int
shardd_log_format_of(const char *word)
{
    int  i;

    for (i = 0; shardd_log_formats[i]; i++) {
        if (strcmp(shardd_log_formats[i], word) == 0) {
            return i;
        }
    }

    return -1;
}


/* text from outside must not forge lines or move a terminal's cursor */

static size_t
shardd_log_clean(char *text, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if ((unsigned char) text[i] < 0x20 || text[i] == 0x7f) {
            text[i] = '?';
        }
    }

    return len;
}


static void
shardd_log_date(char date[SHARDD_LOG_DATE])
{
    size_t           len;
    struct tm        tm;
    struct timespec  now;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    len = strftime(date, SHARDD_LOG_DATE, "%Y-%m-%dT%H:%M:%S", &tm);

    snprintf(date + len, SHARDD_LOG_DATE - len, ".%03dZ",
             (int) (now.tv_nsec / 1000000));
}


static size_t
shardd_log_prefix(char *line, size_t size, int level)
{
    int   n;
    char  date[SHARDD_LOG_DATE];

    shardd_log_date(date);

    n = snprintf(line, size, "%s %s %s%s%s ", date, shardd_log_words[level],
                 shardd_log_program,
                 shardd_log_keyspace ? " keyspace=" : "",
                 shardd_log_keyspace ? shardd_log_keyspace : "");

    return n < 0 ? 0 : (size_t) n < size ? (size_t) n : size - 1;
}


static size_t
shardd_log_line(char *line, int level, const char *fmt, va_list args)
{
    int     n;
    size_t  len;

    len = shardd_log_prefix(line, SHARDD_LOG_LINE - 1, level);

    n = vsnprintf(line + len, SHARDD_LOG_LINE - 1 - len, fmt, args);

    if (n > 0) {
        len += (size_t) n < SHARDD_LOG_LINE - 1 - len
               ? (size_t) n : SHARDD_LOG_LINE - 2 - len;
    }

    return shardd_log_clean(line, len);
}


static size_t
shardd_log_object(char *line, int level, const char *fmt, va_list args)
{
    char               date[SHARDD_LOG_DATE];
    shardd_log_head_t  head;

    shardd_log_date(date);

    head.time = date;
    head.level = shardd_log_words[level];
    head.program = shardd_log_program;
    head.keyspace = shardd_log_keyspace;

    return shardd_log_json(line, SHARDD_LOG_OBJECT - 1, &head, fmt, args);
}


/* one write() a line: lines of several processes do not mix */

void
shardd_log(int level, const char *fmt, ...)
{
    char     line[SHARDD_LOG_OBJECT];
    size_t   len;
    va_list  args;

    if (level > shardd_log_level || level < SHARDD_LOG_ERROR) {
        return;
    }

    if (level > SHARDD_LOG_DEBUG) {
        level = SHARDD_LOG_DEBUG;
    }

    va_start(args, fmt);

    len = shardd_log_kind == SHARDD_LOG_JSON
          ? shardd_log_object(line, level, fmt, args)
          : shardd_log_line(line, level, fmt, args);

    va_end(args);

    line[len++] = '\n';

    if (write(STDERR_FILENO, line, len) < 0) {
        return;
    }
}
