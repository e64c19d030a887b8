/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IDE function of a PIIX4: two channels at their legacy ports, each with two units, a disk
 * (ATA) or a CD-ROM (ATAPI), and a bus master. Registers only: what is on a disk is the business of
 * a process (backends/ide.c), one for each unit.
 *
 * Sources: ATA/ATAPI-6 (T13/1410D): 7 registers, 8 commands, 9 protocols; Programming Interface for
 * Bus Master IDE Controller (SFF-8038i) revision 1.0; Intel 82371AB (PIIX4) data sheet (290562),
 * chapter 5, section "IDE controller registers"; PCI IDE Controller Specification 1.0.
 *
 * THE WAY OF A COMMAND. What needs nothing of the host (IDENTIFY, SET FEATURES, most packet
 * commands) is done in the register write. All else is a struct ide_request: the unit is busy until
 * the back end has answered with a struct ide_result, which ide_update() takes. By PIO, data goes
 * through the channel's buffer, a block at a time; by DMA, the back end carries it between the
 * disk and guest memory itself, as the guest's table (of PRDs) says.
 *
 * WHO WRITES WHAT. `shown` is main's, before the machine starts. `result`, and the buffer while a
 * request is on its way, are the back end's. All else is the cell's (these functions). Nobody may
 * believe a word of it: a guest can overwrite all of this structure, and any content is safe here;
 * a back end copies a request once and checks it.
 *
 * A unit has the bell and the futexes of a virtio device that is not plugged in, its mailbox. These
 * functions name units in `rung` and `settling`, and the caller rings (devices/ports.c).
 */
#ifndef RING1_DEVICES_IDE_H
#define RING1_DEVICES_IDE_H

#include "devices/pci.h"

#include <stdbool.h>
#include <stdint.h>

#define IDE_CHANNELS     2
#define IDE_UNITS        4u /* unit n is device n % 2 of channel n / 2 */
#define IDE_BUFFER       8192u
#define IDE_SECTOR       512u
#define IDE_MULTIPLE_MAX (IDE_BUFFER / IDE_SECTOR) /* sectors of a block, at most */
#define IDE_SERIAL_BYTES 20u

#define IDE_FUNCTION     16u        /* of struct pci: behind those of virtio */
#define IDE_DEVFN        (31u << 3) /* the last slot: the others are virtio's */
#define IDE_MASTER       0xf000u    /* ports of the bus master, as a BIOS would put them */
#define IDE_IRQ(channel) (14u + (channel))

enum ide_kind { IDE_NONE, IDE_DISK, IDE_CDROM };

/* What main says of a unit before the machine starts. */
struct ide_shown {
	uint8_t kind;
	uint8_t mailbox;           /* number of the virtio device that is not plugged in */
	uint8_t physical_exponent; /* a physical sector is 512 << this */
	uint8_t pad[5];
	uint64_t sectors;                  /* of 512 bytes */
	char serial[IDE_SERIAL_BYTES + 4]; /* printable, zero behind it */
};

enum ide_operation {
	IDE_OP_NONE, /* a request that was withdrawn */
	IDE_OP_READ,
	IDE_OP_WRITE,
	IDE_OP_VERIFY, /* read, and forget */
	IDE_OP_FLUSH,
	IDE_OP_REPLY /* bytes of the buffer, to memory */
};

#define IDE_REQUEST_DMA  1u /* to or from memory by the table at prd; else the buffer */
#define IDE_REQUEST_SYNC 2u /* what is written is on the host's disk when it is answered */

struct ide_request {
	uint32_t sequence; /* written last: another one means a new request */
	uint8_t operation, flags, pad[2];
	uint32_t prd;     /* guest-physical address of the table of physical regions */
	uint32_t sectors; /* 1..65536 */
	uint64_t lba;     /* in sectors of 512 bytes */
	uint32_t bytes;   /* of IDE_OP_REPLY, at most IDE_BUFFER */
	uint32_t pad2;
};

enum ide_outcome {
	IDE_OUTCOME_DONE,
	IDE_OUTCOME_LONG,  /* done, and the table has room for more */
	IDE_OUTCOME_SHORT, /* the table ends before the data does */
	IDE_OUTCOME_FAULT, /* the table, or what it names, is not in memory */
	IDE_OUTCOME_FAILED /* by the host's disk, behind `done` sectors */
};

struct ide_result {
	uint32_t sequence; /* of the request; written last */
	uint32_t outcome;
	uint32_t done; /* sectors */
	uint32_t pad;
};

/* Offsets of the command block's registers; as indexes of ide_unit.file those of 1 to 5. */
enum {
	ATA_DATA,
	ATA_FEATURE,
	ATA_ERROR = ATA_FEATURE,
	ATA_COUNT,
	ATA_LBA_LOW,
	ATA_LBA_MID,
	ATA_LBA_HIGH,
	ATA_DEVICE,
	ATA_COMMAND,
	ATA_STATUS = ATA_COMMAND,
	ATA_FILE
};

#define ATA_BUSY    0x80u
#define ATA_READY   0x40u
#define ATA_FAULT   0x20u
#define ATA_SEEK    0x10u /* seek complete; service, of packet devices */
#define ATA_REQUEST 0x08u /* DRQ */
#define ATA_CHECK   0x01u /* ERR */

#define ATA_UNCORRECTABLE 0x40u
#define ATA_NO_ID         0x10u
#define ATA_ABORTED       0x04u

enum ide_phase {
	IDE_IDLE,
	IDE_IN,     /* the guest reads a block */
	IDE_OUT,    /* the guest writes a block */
	IDE_PACKET, /* the guest writes a packet */
	IDE_HOST,   /* the back end has a request, or will: see `posted` */
};

struct ide_unit {
	struct ide_shown shown;
	struct ide_request request;
	struct ide_result result;

	uint8_t file[ATA_FILE][2]; /* as last written, and before that */
	uint8_t status, error, command;
	uint8_t interrupt; /* INTRQ is pending */

	/* Settings. */
	uint8_t multiple;         /* sectors of a block of READ MULTIPLE; 0: off */
	uint8_t no_write_cache;   /* each write is on the host's disk */
	uint8_t transfer_mode;    /* as SET FEATURES has it */
	uint8_t heads, per_track; /* of the geometry, 1..16 and 1..255 */

	/* The command in hand. */
	uint8_t phase, operation, posted;
	uint8_t by_dma, sync, extended, lba_mode;
	uint64_t lba;     /* of what is to come, in sectors of 512 bytes */
	uint32_t left;    /* sectors to come, the block in hand among them */
	uint32_t block;   /* sectors of that */
	uint32_t at, end; /* bytes of the buffer that the guest has still to move */
	uint32_t filled;  /* a packet's data: bytes that the buffer has */
	uint32_t limit;   /* of a block of it, as the guest says; 0: none */

	/* A CD-ROM's. */
	uint8_t sense_key, sense_code, sense_qualifier;
	uint8_t
	    attention; /* the additional sense code to be told of at the next command; 0: none */
	uint8_t event; /* of the medium, for GET EVENT STATUS NOTIFICATION */
	uint8_t open, locked, pad;
};

struct ide_channel {
	uint8_t control;  /* device control: SRST, nIEN, HOB */
	uint8_t selected; /* 0 or 1 */
	uint8_t line;     /* INTRQ at the controller */
	uint8_t master_command, master_status, pad[3];
	uint32_t prd;
	uint8_t buffer[IDE_BUFFER] __attribute__((aligned(8)));
};

struct ide {
	struct ide_unit unit[IDE_UNITS];
	struct ide_channel channel[IDE_CHANNELS];
	uint32_t rung;     /* units whose back end has a new request; the caller takes it */
	uint32_t settling; /* units whose back end must let go before the guest goes on; likewise */
};

/*
 * Plug a drive in as `unit` (0..3), and the function of the controller with the first.
 * shown: copied.
 */
void ide_plug(struct ide *ide, struct pci *pci, unsigned unit, const struct ide_shown *shown);

/* Is the controller there? */
static inline bool ide_plugged(const struct pci *pci)
{
	return pci->plugged >> IDE_FUNCTION & 1;
}

/* Is this one of the ports of a channel? Of the data register? */
static inline bool ide_decodes(uint16_t port)
{
	return (port & 0xff78) == 0x170 || (port & 0xff7f) == 0x376;
}
static inline bool ide_is_data(uint16_t port)
{
	return (port & 0xff7f) == 0x170;
}

/*
 * IN and OUT at a port that ide_decodes(): bytes, but for the data register, where size may be 1, 2
 * or 4. A channel that configuration space has switched off reads all ones.
 */
uint32_t ide_in(struct ide *ide, const struct pci *pci, uint16_t port, unsigned size);
void ide_out(struct ide *ide, const struct pci *pci, uint16_t port, unsigned size, uint32_t value);

/* Bytes of the bus master's ports: offset 0..15. */
uint8_t ide_master_in(struct ide *ide, uint32_t offset);
void ide_master_out(struct ide *ide, uint32_t offset, uint8_t value);

/*
 * Take what back ends have answered, and ask for what can begin: to be called behind each access,
 * to configuration space as well. Cheap when there is nothing.
 */
void ide_update(struct ide *ide, const struct pci *pci);

/* The interrupt line of a channel, 0 or 1. */
static inline bool ide_line(const struct ide *ide, unsigned channel)
{
	return ide->channel[channel % IDE_CHANNELS].line;
}

#endif
