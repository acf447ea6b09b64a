/* SPDX-License-Identifier: MIT */
/* Walking the header extension area. */
#ifndef INSTAR_GUEST_QCOW2_EXTENSIONS_H
#define INSTAR_GUEST_QCOW2_EXTENSIONS_H

#include "guest/qcow2/header.h"

struct extension {
        uint32_t offset; /* of the type field, in the file */
        uint32_t type;
        uint32_t length; /* of the data, without padding */
        bool fits;       /* into the area; END always does */
};

/*
 * Told of every record in order, after `header` has taken over what it says, and of END
 * (or the end of the area) at last; `fault`: what is wrong with it, or ABI_OK.  A record
 * that runs past the area is the last, too.  That the bitmaps extension is missing is
 * said of END.  False ends the walk.
 */
typedef bool extension_visitor(void *context, const struct extension *record,
                               enum abi_code fault);

/* Walk the records from header_length to END or the area's limit.  Of two bitmaps
 * extensions the last one counts, as in QEMU.  ABI_OK or ABI_TOO_LARGE. */
enum abi_code extensions_visit(struct header *header, struct header_bytes *bytes,
                               uint64_t file_size, extension_visitor *visit,
                               void *context);

/* QEMU looks no further than at the length of a list that is stale. */
bool extension_is_stale_list(const struct header *header, const struct extension *record);

/*
 * Walk the records from header_length to END or the area's limit; fill in the
 * extension fields of `header`.  The directory must lie wholly inside the `file_size`
 * bytes: every writer writes it to its end, so a shorter file was cut.
 *
 * A bitmaps record whose autoclear bit is clear is stale: it is described, and
 * has_bitmaps set, but one that counts no bitmaps is taken for the emptied record that
 * the removal of the last bitmap may leave.  Unless `edits`, a stale list that is
 * malformed is taken for none, as QEMU does, and other records need only be as long as
 * they say.  ABI_OK, ABI_BAD_EXTENSION or
 * ABI_NO_AUTOCLEAR_EXTENSION, ABI_TOO_LARGE.
 */
enum abi_code extensions_read(struct header *header, struct header_bytes *bytes,
                              uint64_t file_size, bool edits);

#endif
