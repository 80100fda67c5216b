
/* Between the files of shardd_ical. */


#ifndef _SHARDD_ICAL_PARTS_H_INCLUDED_
#define _SHARDD_ICAL_PARTS_H_INCLUDED_


#include <libical/ical.h>

#include "shardd_ical.h"


#define SHARDD_ICAL_ZONES  64


/* a content line, unfolded, in memory of the file's copy */

typedef struct {
    char                    *text;
    unsigned                 line;
} shardd_ical_line_t;

typedef struct {
    const shardd_ical_ask_t *ask;
    shardd_ical_line_t      *lines;
    size_t                   n;
    size_t                   nzones;
    icaltimezone            *zones[SHARDD_ICAL_ZONES];
    icaltimezone            *floating;      /* of times without a zone */
    char                    *err;
} shardd_ical_file_t;

/* one VEVENT as it stands */

typedef struct {
    unsigned                 line;
    unsigned                 cancelled:1;
    unsigned                 whole_days:1;
    int64_t                  start_s;
    int64_t                  end_s;
    int64_t                  moved_s;       /* RECURRENCE-ID, or 0 */
    icaltimezone            *zone;          /* NULL: UTC */
    const char              *uid;           /* of its line */
    const char              *rule;
    char                     name[SHARD_NAME_SIZE];
    json_t                  *except;
    json_t                  *shards;
    json_t                  *nodes;
    const char              *effect;
} shardd_ical_vevent_t;


/* returns -1 */

int shardd_ical_refuse(char *err, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* lines [first, last) between BEGIN:VEVENT and its END */

int shardd_ical_vevent(shardd_ical_file_t *f, size_t first, size_t last,
    shardd_ical_vevent_t *out);
int shardd_ical_moved(shardd_ical_file_t *f, shardd_ical_vevent_t *list,
    size_t n);
int shardd_ical_record(shardd_ical_file_t *f, const shardd_ical_vevent_t *e,
    shardd_ical_t *out);
void shardd_ical_vevent_free(shardd_ical_vevent_t *e);

/* the value of a line that has one time, as UTC; date: it is a whole day */

int shardd_ical_time_of(shardd_ical_file_t *f,
    const shardd_ical_line_t *line, const char *text, int64_t *s,
    icaltimezone **zone, int *date);

/* of the file, else of the system; NULL when there is none */

icaltimezone *shardd_ical_zone(const shardd_ical_file_t *f, const char *tzid);
json_t *shardd_ical_zone_offsets(icaltimezone *zone, int64_t start_s,
    int64_t now_s);
json_t *shardd_ical_json_time(int64_t s);


#endif /* _SHARDD_ICAL_PARTS_H_INCLUDED_ */
