/* The process that holds a pod's namespaces: sleeps, reaps orphans, ends on SIGTERM. Linked statically; no libc at run time. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void reap(int signal_number) {
  (void)signal_number;
  while (waitpid(-1, NULL, WNOHANG) > 0) {
  }
}

static void end(int signal_number) {
  (void)signal_number;
  _exit(0);
}

int main(void) {
  signal(SIGCHLD, reap);
  signal(SIGTERM, end);
  signal(SIGINT, end);
  for (;;)
    pause();
}
