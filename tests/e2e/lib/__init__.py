# SPDX-License-Identifier: MIT
"""What the end-to-end tests share: a qcow2 reader, a qcow2 crafter, a harness."""
