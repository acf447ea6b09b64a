/* SPDX-License-Identifier: MIT */
/* The image as the model keeps it. */
#include <string.h>

#include "fuzz/harness/doorbell_model_internal.h"

bool model_is_kept(const struct abi_request *r)
{
        return r->offset < MODEL_IMAGE && r->length <= MODEL_IMAGE - r->offset;
}

bool model_file_kept(uint64_t offset, uint64_t *length)
{
        if (offset >= MODEL_IMAGE)
                return false;
        if (*length > MODEL_IMAGE - offset)
                *length = MODEL_IMAGE - offset;
        return *length != 0;
}

void model_file_resize(struct model_file *file, uint64_t size)
{
        uint64_t behind = UINT64_MAX;

        if (size < file->extent && model_file_kept(size, &behind))
                memset(file->bytes + size, 0, file->extent - size);
        file->size = size;
}

void model_file_write(struct model_file *file, uint64_t offset, const uint8_t *bytes,
                      uint64_t length)
{
        if (!model_file_kept(offset, &length))
                return;
        if (bytes)
                memcpy(file->bytes + offset, bytes, length);
        else
                memset(file->bytes + offset, 0, length);
        if (offset + length > file->extent)
                file->extent = offset + length;
}

void model_file_copy(struct model_file *to, const struct model_file *from)
{
        if (to->extent > from->extent)
                memset(to->bytes + from->extent, 0, to->extent - from->extent);
        memcpy(to->bytes, from->bytes, from->extent);
        to->extent = from->extent;
        to->size = from->size;
}
