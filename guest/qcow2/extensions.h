/* SPDX-License-Identifier: MIT */
/* Walking the header extension area. */
#ifndef INSTAR_GUEST_QCOW2_EXTENSIONS_H
#define INSTAR_GUEST_QCOW2_EXTENSIONS_H

#include "guest/qcow2/header.h"

struct extension {
        uint32_t offset; /* of the type field, in the file */
        uint32_t type;
        uint32_t length; /* of the data, without padding */
};

/*
 * The record at *position, which starts at header_length and is moved behind it; at the
 * end of the area type is QCOW2_EXTENSION_END and *position stays.  ABI_OK;
 * ABI_BAD_EXTENSION for a record that runs past the area (then nothing follows);
 * ABI_TOO_LARGE.
 */
enum abi_code extension_next(const struct header *header, struct header_bytes *bytes,
                             uint32_t *position, struct extension *record);

/*
 * Take over what a record says, as far as `header` has fields for it.  ABI_OK;
 * ABI_BAD_EXTENSION, where the fields are set if the record could be read at all;
 * ABI_TOO_LARGE.
 */
enum abi_code extension_take(struct header *header, struct header_bytes *bytes,
                             const struct extension *record, uint64_t file_size);

/*
 * Walk the records from header_length to END or the area's limit; fill in the
 * extension fields of `header`.  The directory must lie wholly inside the `file_size`
 * bytes: every writer writes it to its end, so a shorter file was cut.
 *
 * A bitmaps record whose autoclear bit is clear is stale: it is described, and
 * has_bitmaps set, but one that counts no bitmaps is taken for the emptied record that
 * the removal of the last bitmap may leave.  Unless `edits`, a stale list that is
 * malformed is taken for none, as QEMU does.  ABI_OK, ABI_BAD_EXTENSION or
 * ABI_NO_AUTOCLEAR_EXTENSION, ABI_TOO_LARGE.
 */
enum abi_code extensions_read(struct header *header, struct header_bytes *bytes,
                              uint64_t file_size, bool edits);

#endif
