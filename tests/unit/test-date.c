/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "base/date.h"
#include "check.h"

static void every_day_of_four_centuries_is_the_one_that_libc_says(void) {
        for (int64_t t = 0; t < 400ll * 366 * 86400; t += 86400 - 7) {
                time_t at = (time_t) t;
                struct date d = date_of(t);
                struct tm tm;

                gmtime_r(&at, &tm);
                if (d.year != tm.tm_year + 1900 || d.month != (unsigned) tm.tm_mon + 1 ||
                    d.day != (unsigned) tm.tm_mday || d.hour != (unsigned) tm.tm_hour ||
                    d.minute != (unsigned) tm.tm_min || d.second != (unsigned) tm.tm_sec ||
                    d.weekday != (unsigned) tm.tm_wday) {
                        fprintf(stderr, "%lld\n", (long long) t);
                        CHECK(false);
                        return;
                }
        }
}

static void a_clock_before_1970_is_at_1970(void) {
        CHECK_INT(date_of(-1).year, 1970);
        CHECK_INT(date_of(INT64_MIN).second, 0);
}

CHECK_MAIN(CHECK_TEST(every_day_of_four_centuries_is_the_one_that_libc_says),
           CHECK_TEST(a_clock_before_1970_is_at_1970))
