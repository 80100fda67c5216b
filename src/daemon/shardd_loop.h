
/*
 * What both daemons need around their work: clocks, signals, pauses.
 * TERM, INT and QUIT ask to stop (finish the step, persist, leave); nothing
 * is done in a signal handler but setting a flag and ending the pause.
 */


#ifndef _SHARDD_LOOP_H_INCLUDED_
#define _SHARDD_LOOP_H_INCLUDED_


#include <stdint.h>


int shardd_loop_init(void);           /* 0, or -1 with errno */
int shardd_loop_stopping(void);

/* waits ms or until a signal; 1 when the program is to stop */

int shardd_loop_pause(long ms);

uint64_t shardd_now_ms(void);         /* since 1970 */
uint64_t shardd_monotonic_ms(void);


#endif /* _SHARDD_LOOP_H_INCLUDED_ */
