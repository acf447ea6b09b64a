/* SPDX-License-Identifier: MIT */
/*
 * What kind of machine this process runs guest programs in.  Chosen once, from the
 * command line, before the first machine is made; never changed behind the user's back.
 */
#ifndef INSTAR_HOST_VMM_VM_KIND_H
#define INSTAR_HOST_VMM_VM_KIND_H

enum vm_kind {
        VM_KIND_KVM,     /* a virtual machine: /dev/kvm */
        VM_KIND_PROCESS, /* a process that has nothing but the guest's memory */
};

/* For every machine that is made from now on, also by children. */
void vm_choose_kind(enum vm_kind kind);

/* VM_KIND_KVM, if none was chosen. */
enum vm_kind vm_kind(void);

#endif
