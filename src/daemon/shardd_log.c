
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shardd_log.h"


#define SHARDD_LOG_LINE  2048


const char *const shardd_log_words[] = {
    "error", "warn", "info", "debug", NULL
};

static const char  *shardd_log_program = "shardd";
static const char  *shardd_log_keyspace;
static int          shardd_log_level = SHARDD_LOG_INFO;


void
shardd_log_init(const char *program, const char *keyspace, int level)
{
    shardd_log_program = program;
    shardd_log_keyspace = keyspace;
    shardd_log_level = level;
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


static size_t
shardd_log_prefix(char *line, size_t size, int level)
{
    int              n;
    char             date[32];
    struct tm        tm;
    struct timespec  now;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);

    n = snprintf(line, size, "%s.%03ldZ %s %s%s%s ", date,
                 now.tv_nsec / 1000000, shardd_log_words[level],
                 shardd_log_program,
                 shardd_log_keyspace ? " keyspace=" : "",
                 shardd_log_keyspace ? shardd_log_keyspace : "");

    return n < 0 ? 0 : (size_t) n < size ? (size_t) n : size - 1;
}


/* one write() a line: lines of several processes do not mix */

void
shardd_log(int level, const char *fmt, ...)
{
    int      n;
    char     line[SHARDD_LOG_LINE];
    size_t   len;
    va_list  args;

    if (level > shardd_log_level || level < SHARDD_LOG_ERROR) {
        return;
    }

    if (level > SHARDD_LOG_DEBUG) {
        level = SHARDD_LOG_DEBUG;
    }

    len = shardd_log_prefix(line, SHARDD_LOG_LINE - 1, level);

    va_start(args, fmt);
    n = vsnprintf(line + len, SHARDD_LOG_LINE - 1 - len, fmt, args);
    va_end(args);

    if (n > 0) {
        len += (size_t) n < SHARDD_LOG_LINE - 1 - len
               ? (size_t) n : SHARDD_LOG_LINE - 2 - len;
    }

    len = shardd_log_clean(line, len);
    line[len++] = '\n';

    if (write(STDERR_FILENO, line, len) < 0) {
        return;
    }
}
