/* SPDX-License-Identifier: MIT */
/* Walking the header extension area. */
#ifndef INSTAR_GUEST_QCOW2_EXTENSIONS_H
#define INSTAR_GUEST_QCOW2_EXTENSIONS_H

#include "guest/qcow2/header.h"

/*
 * Walk the records from header_length to END or the area's limit; fill in the
 * extension fields of `header`.  The directory must lie wholly inside the `file_size`
 * bytes: every writer writes it to its end, so a shorter file was cut.
 *
 * A bitmaps record whose autoclear bit is clear is stale: it is described, and
 * has_bitmaps set, but one that counts no bitmaps is taken for the emptied record that
 * the removal of the last bitmap may leave.  ABI_OK, ABI_BAD_EXTENSION or
 * ABI_NO_AUTOCLEAR_EXTENSION, ABI_TOO_LARGE.
 */
enum abi_code extensions_read(struct header *header, struct header_bytes *bytes,
                              uint64_t file_size);

#endif
