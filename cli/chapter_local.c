/* local */
#include "cli/cli.h"
int ebb_cmd_chapter(int argc, char **argv) { (void)argc, (void)argv; return 2; }
