// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * deny CALL[,CALL]... COMMAND [ARG]...: run a command to which these system calls fail with
 * EPERM, as a container's filter makes them. `deny i386` kills whoever makes an i386 call.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	if (argc < 3 || !filter) {
		fprintf(stderr, "usage: deny CALL[,CALL]... COMMAND [ARG]...\n");
		return 99;
	}
	/* "i386" stands for every i386 call: killed, which is libseccomp's default. */
	if (strcmp(argv[1], "i386"))
		seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);
	else
		strcpy(argv[1], ",");
	for (char *name = strtok(argv[1], ","); name; name = strtok(NULL, ",")) {
		int call = seccomp_syscall_resolve_name(name);

		if (call == __NR_SCMP_ERROR ||
		    seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0)) {
			fprintf(stderr, "deny: %s: not a system call\n", name);
			return 99;
		}
	}
	if (seccomp_load(filter)) {
		fprintf(stderr, "deny: cannot set a filter\n");
		return 99;
	}
	execvp(argv[2], argv + 2);
	fprintf(stderr, "deny: %s: %s\n", argv[2], strerror(errno));
	return 99;
}
