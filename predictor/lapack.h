
/*
 * The Fortran routines of BLAS and LAPACK that the models use.  Matrices are
 * column-major; the trailing sizes are the hidden lengths of the character
 * arguments, always 1 here.
 */


#ifndef _PREDICTOR_LAPACK_H_INCLUDED_
#define _PREDICTOR_LAPACK_H_INCLUDED_


#include <stddef.h>


/* C := alpha op(A) op(B) + beta C, C is m x n, op(A) is m x k */

void dgemm_(const char *transa, const char *transb, const int *m,
    const int *n, const int *k, const double *alpha, const double *a,
    const int *lda, const double *b, const int *ldb, const double *beta,
    double *c, const int *ldc, size_t, size_t);
void sgemm_(const char *transa, const char *transb, const int *m,
    const int *n, const int *k, const float *alpha, const float *a,
    const int *lda, const float *b, const int *ldb, const float *beta,
    float *c, const int *ldc, size_t, size_t);

/* the same in single precision */

void sgemm_(const char *transa, const char *transb, const int *m,
    const int *n, const int *k, const float *alpha, const float *a,
    const int *lda, const float *b, const int *ldb, const float *beta,
    float *c, const int *ldc, size_t, size_t);

/* y := alpha op(A) x + beta y */

void dgemv_(const char *trans, const int *m, const int *n,
    const double *alpha, const double *a, const int *lda, const double *x,
    const int *incx, const double *beta, double *y, const int *incy, size_t);
void sgemv_(const char *trans, const int *m, const int *n,
    const float *alpha, const float *a, const int *lda, const float *x,
    const int *incx, const float *beta, float *y, const int *incy, size_t);

/* solves A X = B for a positive definite A; info > 0: it is not */

void dposv_(const char *uplo, const int *n, const int *nrhs, double *a,
    const int *lda, double *b, const int *ldb, int *info, size_t);


#endif /* _PREDICTOR_LAPACK_H_INCLUDED_ */
