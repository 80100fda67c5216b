
/*
 * Numbers of a forecast as JSON: six significant digits, as "%.6g" gives
 * them, several times as fast.  A fleet's forecasts are a million numbers a
 * slot.
 */


#ifndef _PREDICTOR_NUMBER_H_INCLUDED_
#define _PREDICTOR_NUMBER_H_INCLUDED_


#include <jansson.h>


#define PREDICTOR_NUMBER_MAX  16        /* bytes of one, at most */


/* v is finite; returns the end, nothing is put behind it */

char *predictor_number_put(char *p, float v);

/* the text of an object or array, numbers in it as above, to be freed; takes
 * it; NULL without memory, or of NULL */

char *predictor_number_text(json_t *json);


#endif /* _PREDICTOR_NUMBER_H_INCLUDED_ */
