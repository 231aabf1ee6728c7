/* The program's commands, and what they share: exit statuses, a terminal's colours, columns of text. */
#ifndef EBB_CLI_CLI_H
#define EBB_CLI_CLI_H

#include <stdbool.h>
#include <stdio.h>

/* Exit statuses. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_MISUSED = 2 };

/* The commands: argv[0] is the command's name. They return an exit status and leave nothing allocated. */
int ebb_cmd_chapter(int argc, char **argv);
int ebb_cmd_train(int argc, char **argv);

/* ---- terminals (terminal.c) ---- */

enum cli_style { CLI_PLAIN, CLI_BOLD, CLI_DIM, CLI_GOOD, CLI_BAD, CLI_TITLE };

/* The sequence that switches to a style on `to`: "" unless it is a terminal that wants colours (NO_COLOR is
 * respected). */
const char *cli_style(FILE *to, enum cli_style style);

/* Columns that a text takes on a terminal: wide (Chinese) characters take two, combining ones none. */
int cli_columns(const char *text);

/* Print a text and the blanks that fill it up to `columns`. */
void cli_pad(FILE *to, const char *text, int columns);

#endif
