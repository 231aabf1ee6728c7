/* Terminals: colours where they are wanted, and the width of texts that mix scripts. */
#ifndef EBB_TOOL_TERMINAL_H
#define EBB_TOOL_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

enum ebb__style { EBB__PLAIN, EBB__BOLD, EBB__DIM, EBB__GOOD, EBB__BAD, EBB__TITLE };

/* The sequence that switches to a style on `to`: "" unless it is a terminal that wants colours (NO_COLOR is
 * respected). */
const char *ebb__style(FILE *to, enum ebb__style style);

/* Columns that a text takes on a terminal: wide (Chinese) characters take two, combining ones
 * and the sequences of styles none. */
int ebb__columns(const char *text);

/* Print a text and the blanks that fill it up to `columns`. */
void ebb__pad(FILE *to, const char *text, int columns);

#endif
