// A QuickFIX acceptor: what our initiator is tried against.

#include <quickfix/ThreadedSocketAcceptor.h>

#include "common.h"

int main(int count, char** arguments) {
  return run<FIX::ThreadedSocketAcceptor>(count, arguments);
}
