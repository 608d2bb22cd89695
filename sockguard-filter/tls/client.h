/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TLS_CLIENT_H
#define SOCKGUARD_TLS_CLIENT_H

/* `sockguard-tls --upstream`: answers requests on DIALLER_FD until the filter closes it (tls/dialler.h). Exit status.
 */
int tls_client_main(void);

#endif
