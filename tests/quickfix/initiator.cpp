// A QuickFIX initiator: what our acceptor is tried against.

#include <quickfix/ThreadedSocketInitiator.h>

#include "common.h"

int main(int count, char** arguments) {
  return run<FIX::ThreadedSocketInitiator>(count, arguments);
}
