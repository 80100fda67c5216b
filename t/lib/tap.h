
/*
 * The Test Anything Protocol for C unit tests: one program, one plan.
 *
 *     int
 *     main(void)
 *     {
 *         tap_ok(1 + 1 == 2, "one and one, round %d", 1);
 *         tap_is_int(2 + 2, 4, "two and two");
 *         return tap_done();
 *     }
 *
 * Values are printed when a check fails.  A program that dies before
 * tap_done() has no plan and fails under prove.
 */


#ifndef _TAP_H_INCLUDED_
#define _TAP_H_INCLUDED_


#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


static int  tap_planned;
static int  tap_count;
static int  tap_failed;


#if (__GNUC__)
#define TAP_FORMAT(f, a)  __attribute__((unused, format(printf, f, a)))
#define TAP_UNUSED        __attribute__((unused))
#else
#define TAP_FORMAT(f, a)
#define TAP_UNUSED
#endif


/* lines written between checks: seeds, figures */

TAP_FORMAT(1, 2) static void
tap_diag(const char *fmt, ...)
{
    va_list  args;

    printf("# ");
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
}


TAP_UNUSED static void
tap_plan(int n)
{
    tap_planned = n;
    printf("1..%d\n", n);
    fflush(stdout);
}


TAP_UNUSED static int
tap_report(int ok, const char *fmt, va_list args)
{
    printf("%sok %d - ", ok ? "" : "not ", ++tap_count);
    vprintf(fmt, args);
    printf("\n");
    fflush(stdout);

    if (!ok) {
        tap_failed++;
    }

    return ok;
}


#define tap_ok(cond, ...)                                                     \
    tap_check((cond) ? 1 : 0, __FILE__, __LINE__, __VA_ARGS__)

TAP_FORMAT(4, 5) static int
tap_check(int ok, const char *file, int line, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    tap_report(ok, fmt, args);
    va_end(args);

    if (!ok) {
        tap_diag("failed at %s:%d", file, line);
    }

    return ok;
}


TAP_FORMAT(3, 4) static int
tap_is_int(long long got, long long expected, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    tap_report(got == expected, fmt, args);
    va_end(args);

    if (got != expected) {
        tap_diag("got %lld, expected %lld", got, expected);
    }

    return got == expected;
}


TAP_FORMAT(3, 4) static int
tap_is_str(const char *got, const char *expected, const char *fmt, ...)
{
    int      ok;
    va_list  args;

    ok = (got == NULL || expected == NULL) ? got == expected
                                           : strcmp(got, expected) == 0;

    va_start(args, fmt);
    tap_report(ok, fmt, args);
    va_end(args);

    if (!ok) {
        tap_diag("got \"%s\"", got ? got : "(null)");
        tap_diag("expected \"%s\"", expected ? expected : "(null)");
    }

    return ok;
}


/* equal within "epsilon"; two NaN are equal */

TAP_FORMAT(4, 5) static int
tap_is_dbl(double got, double expected, double epsilon, const char *fmt, ...)
{
    int      ok;
    va_list  args;

    ok = (isnan(got) && isnan(expected)) || got == expected
         || fabs(got - expected) <= epsilon;

    va_start(args, fmt);
    tap_report(ok, fmt, args);
    va_end(args);

    if (!ok) {
        tap_diag("got %.17g, expected %.17g +- %g", got, expected, epsilon);
    }

    return ok;
}


/* for return from main() */

TAP_UNUSED static int
tap_done(void)
{
    if (tap_planned == 0) {
        printf("1..%d\n", tap_count);

    } else if (tap_planned != tap_count) {
        tap_diag("planned %d checks, ran %d", tap_planned, tap_count);
        tap_failed++;
    }

    fflush(stdout);

    return tap_failed ? 1 : 0;
}


/* a number of the test's own generator: the same on every machine */

TAP_UNUSED static uint64_t
tap_random(uint64_t *state)
{
    uint64_t  z;

    *state += 0x9e3779b97f4a7c15ULL;
    z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;

    return z ^ (z >> 31);
}


/* TAP_SEED from the environment, or the default; printed */

TAP_UNUSED static uint64_t
tap_seed(uint64_t seed)
{
    char  *text;

    text = getenv("TAP_SEED");

    if (text != NULL) {
        seed = strtoull(text, NULL, 10);
    }

    tap_diag("TAP_SEED=%llu", (unsigned long long) seed);

    return seed;
}


#endif /* _TAP_H_INCLUDED_ */
