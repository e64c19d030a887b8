/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --port NAME=unix:PATH, and the agent's ports (--agent): one virtio console with all of them. */
#ifndef MAIN_CHANNELS_H
#define MAIN_CHANNELS_H

#include "guests/agent/protocol.h"
#include "main/devices.h"
#include "main/machines.h"

#define AGENT_SESSIONS 4u
#define AGENT_KIND     "agent" /* NAME.agent, beside the control socket */

/** channels_add - a port that an option's text asks for. Returns 0 or an exit status. */
int channels_add(struct devices *devices, const char *option);

/** channels_add_agent - the agent's, on a socket beside the machine's own; as above */
int channels_add_agent(struct devices *devices, const struct machine_claim *claim);

/** channels_leave_names - are there sockets that a confined main cannot remove? */
bool channels_leave_names(void);

/** channels_close - close and remove the sockets */
void channels_close(const struct machine_claim *claim);

#endif
