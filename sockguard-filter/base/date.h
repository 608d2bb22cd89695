/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_BASE_DATE_H
#define SOCKGUARD_BASE_DATE_H

#include <stdint.h>

/*
 * A moment in UTC, by the proleptic Gregorian calendar. gmtime_r(3) would do, if it did not read /etc/localtime first,
 * which costs a starting filter as much as judging a request.
 */
struct date {
        int year;
        unsigned month, day; /* from 1 */
        unsigned hour, minute, second;
        unsigned weekday; /* 0 Sunday */
};

/* `seconds` since 1970; what is before that counts as 1970 (such a clock is none). */
struct date date_of(int64_t seconds);

#endif
