/* SPDX-License-Identifier: Apache-2.0 */
/* The least that a dynamically linked program on a connection can do: read a request, write an answer. For relay.py. */
#include <unistd.h>

int main(void) {
        static const char answer[] = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
        char buf[4096];

        return read(0, buf, sizeof(buf)) > 0 && write(1, answer, sizeof(answer) - 1) > 0 ? 0 : 1;
}
