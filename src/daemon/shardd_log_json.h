
/*
 * A line of the log as one JSON object, from the same call as the text:
 *
 *   shardd_log(level, "shard=%u phase=%s copied from %s", 42, "copy", "n1")
 *
 *   {"time":"2026-11-21T08:00:00.123Z","level":"info","program":"migrator",
 *    "keyspace":"orders","shard":42,"phase":"copy",
 *    "message":"copied from n1"}
 *
 * What is a field stands in the format and never in what is put into it, so
 * that no text from outside can forge one:
 *
 *   name=CONV      a field, and not of the message; name is [a-z_]+ and
 *                  begins a word
 *   shard CONV     a field, and of the message, too: "shard", "node",
 *                  "decision" before their number or name
 *
 * CONV is one conversion of printf(): d i u are numbers, and f e g, which
 * are null when there is no such number; all else are strings.  Of two
 * fields of one name the first is there.
 */


#ifndef _SHARDD_LOG_JSON_H_INCLUDED_
#define _SHARDD_LOG_JSON_H_INCLUDED_


#include <stdarg.h>
#include <stddef.h>


#define SHARDD_LOG_JSON_MIN  1024       /* bytes that a line needs at least */


typedef struct {
    const char  *time;
    const char  *level;
    const char  *program;
    const char  *keyspace;              /* NULL: none */
} shardd_log_head_t;


/*
 * Writes the object without a line feed, at most "size" bytes, which are
 * SHARDD_LOG_JSON_MIN or more: always a whole one.  A string that is too
 * long is cut, a field for which there is no room is left out; then it has
 * "truncated":true.  The length of what was written.
 */

size_t shardd_log_json(char *line, size_t size, const shardd_log_head_t *head,
    const char *fmt, va_list args);


#endif /* _SHARDD_LOG_JSON_H_INCLUDED_ */
