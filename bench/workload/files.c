// SPDX-License-Identifier: GPL-2.0-or-later
/* Files on tmpfs, where the program runs. */
#include "workload.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static uint8_t contents[PAGE];

static void tmpfs_create_w4k_unlink(unsigned n)
{
	while (n--) {
		int fd = open("created", O_CREAT | O_EXCL | O_WRONLY, 0644);

		need(fd >= 0, "created");
		need(write(fd, contents, PAGE) == PAGE, "write");
		close(fd);
		unlink("created");
	}
}

/* ---- a database with a rollback journal, as SQLite keeps one by default ---- */

enum { DATABASE_PAGES = 1024 };

static int database;
static uint32_t choice = 5, changes;

static bool make_database(void)
{
	database = open("database", O_CREAT | O_TRUNC | O_RDWR, 0644);
	need(database >= 0, "database");
	for (unsigned i = 0; i < DATABASE_PAGES; i++)
		need(pwrite(database, contents, PAGE, (off_t)i * PAGE) == PAGE, "pwrite");
	return true;
}

static void lock(short type)
{
	struct flock range = {
	    .l_type = type, .l_whence = SEEK_SET, .l_start = 1 << 30, .l_len = 510};

	need(!fcntl(database, F_SETLK, &range), "F_SETLK");
}

/* Into the journal what the page was. */
static void save_page(int journal, unsigned number, off_t *end, uint8_t *page)
{
	need(pread(database, page, PAGE, (off_t)number * PAGE) == PAGE, "pread");
	need(pwrite(journal, &number, sizeof(number), *end) == sizeof(number), "journal");
	need(pwrite(journal, page, PAGE, *end + 4) == PAGE, "journal");
	*end += 4 + PAGE;
}

/* One operation, a transaction: the first page with its counter of changes and one more, any one,
 * are saved and changed. */
static void file_update_journal(unsigned n)
{
	static uint8_t first[PAGE], other[PAGE];

	while (n--) {
		unsigned number = 1 + next_random(&choice) % (DATABASE_PAGES - 1);
		off_t end = 512;
		int journal;

		lock(F_RDLCK);
		lock(F_WRLCK);
		journal = open("database-journal", O_CREAT | O_EXCL | O_RDWR, 0644);
		need(journal >= 0, "database-journal");
		save_page(journal, 0, &end, first);
		save_page(journal, number, &end, other);
		need(pwrite(journal, contents, 512, 0) == 512, "journal");
		need(!fsync(journal), "fsync");
		memcpy(&changes, first, sizeof(changes));
		changes++;
		memcpy(first, &changes, sizeof(changes));
		other[choice % PAGE]++;
		need(pwrite(database, first, PAGE, 0) == PAGE, "pwrite");
		need(pwrite(database, other, PAGE, (off_t)number * PAGE) == PAGE, "pwrite");
		need(!fsync(database), "fsync");
		close(journal);
		need(!unlink("database-journal"), "unlink");
		lock(F_UNLCK);
	}
}

static void remove_database(void)
{
	unlink("database");
}

const struct item file_items[] = {
    {"tmpfs_create_w4k_unlink", .run = tmpfs_create_w4k_unlink},
    {"file_update_journal", .prepare = make_database, .run = file_update_journal,
     .finish = remove_database},
    {0},
};
