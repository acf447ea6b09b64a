/* SPDX-License-Identifier: MIT */
#include "tests/unit/cli/info_everything.h"

#include "tests/unit/cli/cmocka_all.h"
#include "tests/unit/cli/info_reports.h"

void report_an_image_with_everything(void)
{
        struct abi_report_image facts = ordinary_image();
        struct abi_report_bitmap bitmap = ordinary_bitmap();
        const struct abi_report_snapshot first = {.vm_state_size = 1536,
                                                  .vm_clock = 3723004005006,
                                                  .icount = 7,
                                                  .date_seconds = 1795643985,
                                                  .date_nanoseconds = 12};
        const struct abi_report_snapshot second = {.icount = UINT64_MAX};

        facts.flags = ABI_IMAGE_BACKING | ABI_IMAGE_BACKING_RELATIVE |
                      ABI_IMAGE_BACKING_FORMAT | ABI_IMAGE_DATA_FILE_NAME |
                      ABI_IMAGE_DATA_FILE | ABI_IMAGE_DATA_FILE_RAW | ABI_IMAGE_ENCRYPTED;
        facts.crypt_method = 2;
        facts.compression_type = 1;
        facts.incompatible = 0x1 | 0x2 | 0x10;
        facts.compatible = 1;
        facts.refcount_bits = 1;
        assert_int_equal(report_image(facts, "base", "raw", "d.raw"), 0);
        assert_int_equal(report_snapshot(first, "1", "s1"), 0);
        assert_int_equal(report_snapshot(second, "12345678901", "a long name of it"), 0);
        assert_int_equal(report_bitmap(bitmap, "b0", 2), 0);
        bitmap.flags = 3;
        assert_int_equal(report_bitmap(bitmap, "b1", 2), 0);
        bitmap.flags = 0;
        assert_int_equal(report_bitmap(bitmap, "b2", 2), 0);
}

const char everything_in_json[] = "{\n"
                                  "    \"backing-filename-format\": \"raw\",\n"
                                  "    \"snapshots\": [\n"
                                  "        {\n"
                                  "            \"icount\": 7,\n"
                                  "            \"vm-clock-nsec\": 4005006,\n"
                                  "            \"name\": \"s1\",\n"
                                  "            \"date-sec\": 1795643985,\n"
                                  "            \"date-nsec\": 12,\n"
                                  "            \"vm-clock-sec\": 3723,\n"
                                  "            \"id\": \"1\",\n"
                                  "            \"vm-state-size\": 1536\n"
                                  "        },\n"
                                  "        {\n"
                                  "            \"vm-clock-nsec\": 0,\n"
                                  "            \"name\": \"a long name of it\",\n"
                                  "            \"date-sec\": 0,\n"
                                  "            \"date-nsec\": 0,\n"
                                  "            \"vm-clock-sec\": 0,\n"
                                  "            \"id\": \"12345678901\",\n"
                                  "            \"vm-state-size\": 0\n"
                                  "        }\n"
                                  "    ],\n"
                                  "    \"virtual-size\": 67108864,\n"
                                  "    \"filename\": \"dir/x.qcow2\",\n"
                                  "    \"cluster-size\": 65536,\n"
                                  "    \"format\": \"qcow2\",\n"
                                  "    \"actual-size\": 200704,\n"
                                  "    \"format-specific\": {\n"
                                  "        \"type\": \"qcow2\",\n"
                                  "        \"data\": {\n"
                                  "            \"compat\": \"1.1\",\n"
                                  "            \"compression-type\": \"zstd\",\n"
                                  "            \"lazy-refcounts\": true,\n"
                                  "            \"bitmaps\": [\n"
                                  "                {\n"
                                  "                    \"flags\": [\n"
                                  "                        \"auto\"\n"
                                  "                    ],\n"
                                  "                    \"name\": \"b0\",\n"
                                  "                    \"granularity\": 65536,\n"
                                  "                    \"instar-table-clusters\": 1\n"
                                  "                },\n"
                                  "                {\n"
                                  "                    \"flags\": [\n"
                                  "                        \"in-use\",\n"
                                  "                        \"auto\"\n"
                                  "                    ],\n"
                                  "                    \"name\": \"b1\",\n"
                                  "                    \"granularity\": 65536,\n"
                                  "                    \"instar-table-clusters\": 1\n"
                                  "                },\n"
                                  "                {\n"
                                  "                    \"flags\": [\n"
                                  "                    ],\n"
                                  "                    \"name\": \"b2\",\n"
                                  "                    \"granularity\": 65536,\n"
                                  "                    \"instar-table-clusters\": 1\n"
                                  "                }\n"
                                  "            ],\n"
                                  "            \"refcount-bits\": 1,\n"
                                  "            \"data-file\": \"d.raw\",\n"
                                  "            \"encrypt\": {\n"
                                  "                \"format\": \"luks\"\n"
                                  "            },\n"
                                  "            \"data-file-raw\": true,\n"
                                  "            \"corrupt\": true,\n"
                                  "            \"extended-l2\": true\n"
                                  "        }\n"
                                  "    },\n"
                                  "    \"full-backing-filename\": \"dir/base\",\n"
                                  "    \"encrypted\": true,\n"
                                  "    \"backing-filename\": \"base\",\n"
                                  "    \"dirty-flag\": true\n"
                                  "}\n";

const char everything_for_humans[] =
    "image: dir/x.qcow2\n"
    "file format: qcow2\n"
    "virtual size: 64 MiB (67108864 bytes)\n"
    "disk size: 196 KiB\n"
    "encrypted: yes\n"
    "cluster_size: 65536\n"
    "cleanly shut down: no\n"
    "backing file: base (actual path: dir/base)\n"
    "backing file format: raw\n"
    "Snapshot list:\n"
    "ID        TAG               VM SIZE                DATE     VM CLOCK     "
    "ICOUNT\n"
    "1         s1                1.5 KiB 2026-11-25 21:59:45 01:02:03.004     "
    "     7\n"
    "12345678901 a long name of it      0 B 1970-01-01 00:00:00 00:00:00.000  "
    "         \n"
    "Format specific information:\n"
    "    compat: 1.1\n"
    "    compression type: zstd\n"
    "    lazy refcounts: true\n"
    "    bitmaps:\n"
    "        [0]:\n"
    "            flags:\n"
    "                [0]: auto\n"
    "            name: b0\n"
    "            granularity: 65536\n"
    "            instar table clusters: 1\n"
    "        [1]:\n"
    "            flags:\n"
    "                [0]: in-use\n"
    "                [1]: auto\n"
    "            name: b1\n"
    "            granularity: 65536\n"
    "            instar table clusters: 1\n"
    "        [2]:\n"
    "            flags:\n"
    "            name: b2\n"
    "            granularity: 65536\n"
    "            instar table clusters: 1\n"
    "    refcount bits: 1\n"
    "    data file: d.raw\n"
    "    encrypt:\n"
    "        format: luks\n"
    "    data file raw: true\n"
    "    corrupt: true\n"
    "    extended l2: true\n";
