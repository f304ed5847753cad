//! The variable that lgamma sets (POSIX).
extern "C" int signgam;
int signgam = 0;
