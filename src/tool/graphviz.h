/* Graphviz: its program `dot`, which lays out graphs, run when it is installed. */
#ifndef EBB_TOOL_GRAPHVIZ_H
#define EBB_TOOL_GRAPHVIZ_H

#include <ebb/base.h>
#include <stdio.h>

/* Run `dot -Tformat` from one stream, which is rewound, to another; both are files. EBB_ERR_UNSUPPORTED, telling how to
 * install it, where the program is missing; EBB_ERR_IO when it fails. */
ebb_status ebb__graphviz(const char *format, FILE *in, FILE *out);
/* Text inside an HTML-like label of Graphviz's; lines are broken. */
void ebb__label_text(FILE *to, const char *text);

#endif
