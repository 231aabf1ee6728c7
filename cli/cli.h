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
int ebb_cmd_ops(int argc, char **argv);
int ebb_cmd_gradcheck(int argc, char **argv);

/* ---- operators (ops.c) ---- */

struct ebb_op;
struct cli_names;

/* The operators of these names, all for none, in the order of the table; NULL after the last. `room` has space for
 * them. False, told on stderr with what may have been meant, when there is no such operator. */
bool cli_find_ops(const char *command, const struct cli_names *names, const struct ebb_op **room);

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
