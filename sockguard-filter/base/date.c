/* SPDX-License-Identifier: Apache-2.0 */
#include "base/date.h"

struct date date_of(int64_t seconds) {
        int64_t days, shifted, era;
        unsigned day, year, in_year, month, second;
        struct date d;

        if (seconds < 0)
                seconds = 0;
        days = seconds / 86400;
        second = (unsigned) (seconds % 86400);
        /* Years that begin in March, in eras of 400: the leap day is the last of its year. */
        shifted = days + 719468;
        era = shifted / 146097;
        day = (unsigned) (shifted - era * 146097);
        year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
        in_year = day - (365 * year + year / 4 - year / 100);
        month = (5 * in_year + 2) / 153;

        d.day = in_year - (153 * month + 2) / 5 + 1;
        d.month = month < 10 ? month + 3 : month - 9;
        d.year = (int) (year + era * 400) + (d.month <= 2);
        d.hour = second / 3600;
        d.minute = second / 60 % 60;
        d.second = second % 60;
        d.weekday = (unsigned) ((days + 4) % 7);
        return d;
}
