/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MAIN_COMMAND_H
#define MAIN_COMMAND_H

/* Subcommands: argv[0] is the subcommand's name; the result is the exit status. */
int command_run(int argc, char **argv);
int command_inspect(int argc, char **argv);
int command_vmi(int argc, char **argv);
int command_check(int argc, char **argv);
int command_ls(int argc, char **argv);
int command_stop(int argc, char **argv);
int command_pause(int argc, char **argv);
int command_resume(int argc, char **argv);
int command_snapshot(int argc, char **argv);
int command_restore(int argc, char **argv);
int command_clone(int argc, char **argv);
int command_balloon(int argc, char **argv);
int command_stat(int argc, char **argv);
int command_console(int argc, char **argv);
int command_monitor(int argc, char **argv);
int command_exec(int argc, char **argv);
int command_sandbox(int argc, char **argv);
int command_image(int argc, char **argv);

#endif
