
/*
 * Structured log lines on stderr, one per event:
 *
 *   2026-11-21T08:00:00.123Z info migrator keyspace=orders shard=42 text
 *
 * or, as JSON, one object each (shardd_log_json.h).  Levels error, warn,
 * info, debug.  Threshold and format are set once at start.
 */


#ifndef _SHARDD_LOG_H_INCLUDED_
#define _SHARDD_LOG_H_INCLUDED_


typedef enum {
    SHARDD_LOG_ERROR = 0,
    SHARDD_LOG_WARN,
    SHARDD_LOG_INFO,
    SHARDD_LOG_DEBUG
} shardd_log_e;

typedef enum {
    SHARDD_LOG_TEXT = 0,
    SHARDD_LOG_JSON
} shardd_log_format_e;

/* for SHARDD_CONF_ENUM */

extern const char *const shardd_log_words[];
extern const char *const shardd_log_formats[];


void shardd_log_init(const char *program, const char *keyspace, int level);
void shardd_log_format(int format);             /* text when it is not called */

/* "text" or "json" to SHARDD_LOG_TEXT or _JSON; -1: neither */

int shardd_log_format_of(const char *word);

#if (__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void shardd_log(int level, const char *fmt, ...);


#endif /* _SHARDD_LOG_H_INCLUDED_ */
