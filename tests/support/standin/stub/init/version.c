/* a stub: this is no kernel */
const char linux_proc_banner[] =
	"%s version %s"
	" (" LINUX_COMPILER ") %s\n";

int nothing;
int more;
