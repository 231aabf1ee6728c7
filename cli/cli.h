/* The program's commands, and what they share: exit statuses, finding operators by their names. */
#ifndef EBB_CLI_CLI_H
#define EBB_CLI_CLI_H

#include <stdbool.h>

/* Exit statuses. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_MISUSED = 2 };

/* The commands: argv[0] is the command's name. They return an exit status and leave nothing allocated. */
int ebb_cmd_chapter(int argc, char **argv);
int ebb_cmd_train(int argc, char **argv);
int ebb_cmd_ops(int argc, char **argv);
int ebb_cmd_gradcheck(int argc, char **argv);
int ebb_cmd_explain(int argc, char **argv);
int ebb_cmd_dims(int argc, char **argv);

/* Tell on stderr what is wrong with the command line, in the language that it asks for, and where help is. Returns
 * CLI_MISUSED. */
int cli_misused(const char *command, const char *what);

/* Tell on stderr the error that an expression failed with, and the place in its text. Returns CLI_FAILED. */
int cli_expression_failed(const char *command);

/* ---- operators (ops.c) ---- */

struct ebb_op;
struct cli_names;

/* The operators of these names, all for none, in the order of the table; NULL after the last. `room` has space for
 * them. False, told on stderr with what may have been meant, when there is no such operator. */
bool cli_find_ops(const char *command, const struct cli_names *names, const struct ebb_op **room);

#endif
