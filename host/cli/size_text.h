/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_HOST_CLI_SIZE_TEXT_H
#define INSTAR_HOST_CLI_SIZE_TEXT_H

#include <stdint.h>

#define SIZE_TEXT_SIZE 24u

/* "1.5 MiB": three digits and a binary unit, as qemu-img rounds it.  Nothing is
 * allocated. */
void size_text(uint64_t size, char text[SIZE_TEXT_SIZE]);

#endif
