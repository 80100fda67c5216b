
/*
 * The version that every program prints: the newest one of CHANGES.
 */


#ifndef _SHARDD_VERSION_H_INCLUDED_
#define _SHARDD_VERSION_H_INCLUDED_


#define SHARDD_VERSION  "0.2.0"


#endif /* _SHARDD_VERSION_H_INCLUDED_ */
