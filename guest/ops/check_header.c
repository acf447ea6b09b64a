/* SPDX-License-Identifier: MIT */
/*
 * The header cluster.  Whatever is wrong with it is told; the check goes on where QEMU
 * opens the image all the same.
 */
#include <stddef.h>

#include "guest/ops/check_state.h"
#include "guest/qcow2/extensions.h"
#include "guest/rt/checked.h"
#include "guest/rt/failure.h"
#include "guest/rt/report.h"

static void report_image(const struct check *c)
{
        const struct header *h = &c->image.header;
        struct abi_report_image *report = report_add(ABI_REPORT_IMAGE, sizeof *report);
        *report = (struct abi_report_image){
            .version = h->version,
            .size = h->size,
            .cluster_size = h->cluster_size,
            .refcount_bits = h->refcount_order <= 6 ? 1u << h->refcount_order : 0,
            .crypt_method = h->crypt_method,
            .incompatible = h->incompatible,
            .compatible = h->compatible,
            .autoclear = h->autoclear,
        };
}

static bool has_fault(struct check *c, enum abi_code code)
{
        if (code)
                check_report_damage(c, code, NULL);
        return code;
}

static bool opens_with_features(struct check *c)
{
        const struct header *h = &c->image.header;
        enum abi_code code = header_check_features(h);
        uint64_t detail[4];
        failure_details(detail);
        return !has_fault(c, code) ||
               (code == ABI_BAD_HEADER && detail[0] == ABI_HEADER_LENGTH &&
                header_length_fits(h));
}

static bool opens_with_methods(struct check *c)
{
        return !has_fault(c, header_check_methods(&c->image.header));
}

static bool opens_with_tables(struct check *c)
{
        const struct header *h = &c->image.header;
        if (has_fault(c, header_check_limits(h)))
                return false;
        has_fault(c, header_check_places(h, c->image.file_size));
        return true;
}

/* A name that begins inside the header leaves no room for extensions. */
static bool opens_with_backing(struct check *c)
{
        struct header *h = &c->image.header;
        if (!has_fault(c, header_check_backing(h)))
                return true;
        if (!header_backing_fits(h))
                return false;
        h->extensions_limit = h->header_length;
        return true;
}

/* QEMU goes by the last list, or by none. */
static bool opens_with_fault(enum abi_code fault)
{
        uint64_t detail[4];
        failure_details(detail);
        return !fault || fault == ABI_NO_AUTOCLEAR_EXTENSION ||
               detail[2] == ABI_EXTENSION_DUPLICATE;
}

struct extension_look {
        struct check *check;
        bool opens;
        bool whole; /* all records were seen */
};

static bool look_at_extension(void *context, const struct extension *record,
                              enum abi_code fault)
{
        struct extension_look *look = context;
        struct header *h = &look->check->image.header;
        look->whole = record->fits;
        if (fault && extension_is_stale_list(h, record)) {
                h->bitmap_count = 0;
                return true;
        }
        look->opens = opens_with_fault(fault) && look->opens;
        has_fault(look->check, fault);
        return true;
}

static bool opens_with_extensions(struct check *c, enum abi_code *code)
{
        struct extension_look look = {c, true, true};
        struct header *h = &c->image.header;
        *code = extensions_visit(h, &c->image.header_bytes, c->image.file_size,
                                 look_at_extension, &look);
        return !*code && look.whole && !has_fault(c, header_check_encryption(h)) &&
               look.opens;
}

static void set_up(struct check *c)
{
        struct header *h = &c->image.header;
        c->image.file_end = header_file_end(h, c->image.file_size);
        c->file_length = divide_up(c->image.file_size, ABI_SECTOR) * ABI_SECTOR;
        c->extended_l2 = h->incompatible & QCOW2_INCOMPATIBLE_EXTENDED_L2;
        c->data_file = h->incompatible & QCOW2_INCOMPATIBLE_DATA_FILE;
        h->size = header_disk_size(h);
        c->l2_total = h->l1_size;
        c->sums.total_clusters = divide_up(h->size, h->cluster_size);
}

bool check_header(struct check *c, enum abi_code *code)
{
        struct image *image = &c->image;
        image->file_size = c->file_size;
        image->block_device = c->call->flags & ABI_CALL_BLOCK_DEVICE;
        /* Rounded up to sectors, clusters and refcount blocks. */
        *code = image->file_size > INT64_MAX / 2
                    ? ABI_OVERFLOW
                    : header_load(image->file_size, &image->header, &image->header_bytes);
        if (*code)
                return false;
        if (!c->silent)
                report_image(c);
        bool opens = opens_with_features(c);
        opens = opens_with_methods(c) && opens;
        opens = opens_with_tables(c) && opens;
        opens = opens_with_backing(c) && opens;
        if (header_length_fits(&image->header))
                opens = opens_with_extensions(c, code) && opens;
        set_up(c);
        return opens && !*code;
}
