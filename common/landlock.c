// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/landlock.h"

#include <linux/landlock.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ull << 13) /* Landlock 2 */
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ull << 14) /* Landlock 3 */
#endif
#define LANDLOCK_FS_VERSION_1 ((1ull << 13) - 1)

/* Everything this host's Landlock knows; asking for what it does not know is refused. */
static uint64_t file_rights(long version)
{
	uint64_t rights = LANDLOCK_FS_VERSION_1;

	if (version >= 2)
		rights |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		rights |= LANDLOCK_ACCESS_FS_TRUNCATE;
	return rights;
}

static void allow(int rules, int directory, uint64_t rights)
{
	struct landlock_path_beneath_attr beneath = {.allowed_access = rights,
	                                             .parent_fd = directory};

	if (directory >= 0)
		syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
}

static bool confine(int directory, uint64_t rights)
{
	long version =
	    syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset_attr attributes = {.handled_access_fs = file_rights(version)};
	bool confined;
	int rules;

	if (version < 1 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return false;
	rules = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
	if (rules < 0)
		return false;
	/* Rules that allow nothing else. 'ring1 check' says whether the host has Landlock. */
	allow(rules, directory, rights & attributes.handled_access_fs);
	confined = !syscall(SYS_landlock_restrict_self, rules, 0);
	close(rules);
	return confined;
}

/* Whoever may remove the control socket may not make another. */
bool confine_files(int directory)
{
	return confine(directory, LANDLOCK_ACCESS_FS_REMOVE_FILE);
}

bool confine_files_below(int directory, enum files_right right)
{
	uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
	uint64_t changing = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
	                    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
	                    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM |
	                    LANDLOCK_ACCESS_FS_REFER | LANDLOCK_ACCESS_FS_TRUNCATE;

	return confine(directory, right == FILES_CHANGE ? reading | changing : reading);
}
