
/*
 * Structured log lines on stderr, one per event:
 *
 *   2026-11-21T08:00:00.123Z info migrator keyspace=orders shard=42 text
 *
 * Levels error, warn, info, debug.  Threshold is set once at start.
 */


#ifndef _SHARDD_LOG_H_INCLUDED_
#define _SHARDD_LOG_H_INCLUDED_


typedef enum {
    SHARDD_LOG_ERROR = 0,
    SHARDD_LOG_WARN,
    SHARDD_LOG_INFO,
    SHARDD_LOG_DEBUG
} shardd_log_e;

extern const char *const shardd_log_words[];    /* for SHARDD_CONF_ENUM */


void shardd_log_init(const char *program, const char *keyspace, int level);

#if (__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void shardd_log(int level, const char *fmt, ...);


#endif /* _SHARDD_LOG_H_INCLUDED_ */
