// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * deny CALL[,CALL]... COMMAND [ARG]...: run a command to which these system calls fail with
 * EPERM, as a container's filter makes them. `deny i386` kills whoever makes an i386 call.
 * `deny container` refuses what Docker's default profile does to a process without capabilities
 * ("Seccomp security profiles for Docker", docs.docker.com), to i386 calls and x32 as well.
 */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLONE_NAMESPACES                                                                           \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET)

static const char container[] =
    "acct,add_key,bpf,clock_settime,delete_module,fanotify_init,finit_module,fsconfig,fsmount,"
    "fsopen,fspick,get_mempolicy,init_module,io_uring_enter,io_uring_register,io_uring_setup,"
    "ioperm,iopl,kcmp,kexec_file_load,kexec_load,keyctl,lookup_dcookie,mbind,mount,mount_setattr,"
    "move_mount,move_pages,open_by_handle_at,open_tree,perf_event_open,pidfd_getfd,pivot_root,"
    "process_madvise,quotactl,quotactl_fd,reboot,request_key,set_mempolicy,"
    "set_mempolicy_home_node,sethostname,setdomainname,setns,settimeofday,swapoff,swapon,"
    "syslog,umount2,unshare,userfaultfd,vhangup,chroot,migrate_pages,nfsservctl,vserver,"
    "create_module,get_kernel_syms,query_module,uselib,ustat,sysfs,_sysctl";

static int deny_names(scmp_filter_ctx filter, char *names)
{
	for (char *name = strtok(names, ","); name; name = strtok(NULL, ",")) {
		int call = seccomp_syscall_resolve_name(name);

		if (call == __NR_SCMP_ERROR ||
		    seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0)) {
			fprintf(stderr, "deny: %s: not a system call\n", name);
			return -1;
		}
	}
	return 0;
}

/* What depends on arguments. Of personality() the switch that is asked for most. */
static int deny_arguments(scmp_filter_ctx filter)
{
	int error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	for (unsigned long flag = 1; flag <= CLONE_NAMESPACES && !error; flag <<= 1)
		if (flag & CLONE_NAMESPACES)
			error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
			                         SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag));
	if (!error)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
		                         SCMP_A0(SCMP_CMP_EQ, AF_VSOCK));
	if (!error) /* 0xffffffff only asks */
		error = seccomp_rule_add(
		    filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(personality), 1,
		    SCMP_A0(SCMP_CMP_MASKED_EQ, 0x80000000 | ADDR_NO_RANDOMIZE, ADDR_NO_RANDOMIZE));
	return error;
}

static int deny(scmp_filter_ctx filter, char *what)
{
	char list[sizeof container];

	/* "i386" stands for every i386 call: killed, which is libseccomp's default. */
	if (!strcmp(what, "i386"))
		return 0;
	if (strcmp(what, "container")) {
		seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);
		return deny_names(filter, what);
	}
	strcpy(list, container);
	seccomp_arch_add(filter, SCMP_ARCH_X86);
	seccomp_arch_add(filter, SCMP_ARCH_X32);
	return deny_names(filter, list) || deny_arguments(filter);
}

int main(int argc, char **argv)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	if (argc < 3 || !filter) {
		fprintf(stderr, "usage: deny CALL[,CALL]... COMMAND [ARG]...\n");
		return 99;
	}
	if (deny(filter, argv[1]) || seccomp_load(filter)) {
		fprintf(stderr, "deny: cannot set a filter\n");
		return 99;
	}
	execvp(argv[2], argv + 2);
	fprintf(stderr, "deny: %s: %s\n", argv[2], strerror(errno));
	return 99;
}
